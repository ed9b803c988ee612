// The passes of lib/Import and their options.
#ifndef STC_IMPORT_PASSES_TD
#define STC_IMPORT_PASSES_TD

include "mlir/Pass/PassBase.td"

def ImportCheckpoint : Pass<"stc-import", "::mlir::ModuleOp"> {
  let summary = "Fill an empty module with the graph of a checkpoint";
  let description = [{
    Reads the configuration and the tensor list of the checkpoint `path` (a Hugging Face directory
    or a GGUF) and adds its weights and the functions @forward and @head to the module, which must
    be empty. No weight is read.

    ```
    echo | stc-opt --stc-import=path=models/stories260k
    ```
  }];
  let options = [
    Option<"kvCache", "kv-cache", "std::string", /*default=*/"\"f32\"",
           "How the key/value cache keeps numbers: f32, f16, int8 or fp8">,
    Option<"maxContext", "max-context", "int64_t", /*default=*/"0",
           "Positions of the key/value cache (0: the checkpoint's, at most 4096)">,
    Option<"path", "path", "std::string", /*default=*/"", "The checkpoint">,
  ];
  let dependentDialects = ["::stc::STCDialect", "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect"];
}

#endif // STC_IMPORT_PASSES_TD
