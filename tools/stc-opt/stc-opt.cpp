// stc-opt: runs single passes and pipelines over textual IR.
#include "stc/Pipelines/Pipelines.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  stc::registerAllDialects(registry);
  stc::registerUpstreamDialects(registry);
  stc::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv,
      "stc-opt: the sparse transformer compiler's pass driver\n\n"
      "Examples:\n"
      "  stc-opt model.mlir --canonicalize --cse\n"
      "  stc-opt model.mlir --stc-prune=spec=2:4 --stc-quantize=spec=int4-g32\n"
      "  stc-opt model.mlir --stc-interpret=tokens=1,2,3\n",
      registry));
}
