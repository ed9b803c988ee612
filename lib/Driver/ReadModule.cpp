// Reads untrusted textual MLIR without letting it crash the compiler, and what it says of a model.
#include "ReadModule.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace stc;

static mlir::OwningOpRef<mlir::ModuleOp> parse(mlir::MLIRContext &context,
                                               const std::string &path) {
  return mlir::parseSourceFile<mlir::ModuleOp>(path, mlir::ParserConfig(&context));
}

/// The child's exit status where there is a diagnostic. Not 1, with which libraries end a process.
static constexpr int kDiagnosed = 3;

/// The child's exit status: 0 parsed, or kDiagnosed; anything else is a death.
static int parseInChild(mlir::MLIRContext &context, const std::string &path, uint64_t fileSize) {
  pid_t child = fork();
  if (child < 0)
    return -1;
  if (child == 0) {
    rlim_t memory = (4ull << 30) + 64 * fileSize;
    rlimit addressSpace{memory, memory}, seconds{60, 60}, noCore{0, 0};
    setrlimit(RLIMIT_AS, &addressSpace);
    setrlimit(RLIMIT_CPU, &seconds);
    setrlimit(RLIMIT_CORE, &noCore);
    // A crash is this process' purpose: no stack trace, no message.
    freopen("/dev/null", "w", stderr);
    context.disableMultithreading();
    _exit(parse(context, path) ? 0 : kDiagnosed);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// The dialect that MLIR says it does not know: "Dialect `x' not found for custom op", "`!"x"<"y">`
/// type created with unregistered dialect", or "operation being parsed with an unregistered
/// dialect", whose quoted name ends `text`.
static llvm::StringRef unknownDialect(llvm::StringRef message, llvm::StringRef text) {
  if (message.contains("not found for custom op"))
    return message.split('`').second.split('\'').first;
  if (message.contains("operation being parsed with an unregistered dialect"))
    return text.rtrim().drop_back(1).rsplit('"').second.split('.').first;
  if (message.contains("created with unregistered dialect"))
    return message.split('"').second.split('"').first;
  return {};
}

/// What to do with a dialect of another front end.
static std::string lowering(llvm::StringRef dialect) {
  llvm::StringRef command;
  if (dialect == "vhlo")
    command = "stablehlo-opt --vhlo-legalize-to-stablehlo lowers it to stablehlo";
  if (dialect == "torch")
    command = "torch-mlir-opt --torch-backend-to-linalg-on-tensors-backend-pipeline lowers it to "
              "linalg";
  return command.empty() ? std::string() : absl::StrCat(" (", command.str(), ")");
}

/// The operation of stablehlo or chlo that MLIR says is none of those it knows: "custom op 'x.y' is
/// unknown", or "unregistered operation 'x.y' found in dialect".
static llvm::StringRef unknownOperation(llvm::StringRef message) {
  bool isUnknown = message.contains("is unknown") || message.contains("unregistered operation");
  llvm::StringRef name = message.split('\'').second.split('\'').first;
  bool isForeign = name.starts_with("stablehlo.") || name.starts_with("chlo.");
  return isUnknown && isForeign ? name : llvm::StringRef();
}

absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> stc::readModule(mlir::MLIRContext &context,
                                                                  const std::string &path) {
  STC_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
  // A forked child must not inherit a thread pool that exists only in the parent.
  context.disableMultithreading();
  int status = parseInChild(context, path, file->bytes().size());
  if (status != 0 && status != kDiagnosed)
    return formatError({path, "", {}}, "textual MLIR within the parser's limits",
                       "input that the parser could not survive");
  llvm::StringRef text(reinterpret_cast<const char *>(file->bytes().data()), file->bytes().size());
  std::string message, line;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && message.empty()) {
      message = diagnostic.str();
      if (auto location = mlir::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation())) {
        line = absl::StrCat("line ", location.getLine());
        for (unsigned i = 1; i < location.getLine(); ++i)
          text = text.split('\n').second;
        text = text.take_front(location.getColumn() - 1);
      }
    }
    return mlir::success();
  });
  auto module = parse(context, path);
  context.enableMultithreading();
  if (llvm::StringRef dialect = unknownDialect(message, text); !module && !dialect.empty())
    return formatError({path, line, {}},
                       "operations of stc, func, stablehlo, linalg, tensor, arith and math",
                       absl::StrCat("some of ", dialect.str(), lowering(dialect)));
  if (llvm::StringRef operation = unknownOperation(message); !module && !operation.empty())
    return formatError({path, line, {}},
                       "operations of stablehlo that graphs of transformers have "
                       "(docs/Dialects/StableHLO.md)",
                       operation.str());
  if (!module)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", line, line.empty() ? "" : ": ", message));
  return module;
}

void stc::findCheckpoint(mlir::ModuleOp module, const std::string &path) {
  auto named = module->getAttrOfType<mlir::StringAttr>("stc.checkpoint");
  if (!named || llvm::sys::path::is_absolute(named.getValue()))
    return;
  llvm::SmallString<128> beside = llvm::sys::path::parent_path(path);
  llvm::sys::path::append(beside, named.getValue());
  if (llvm::sys::fs::exists(beside))
    module->setAttr("stc.checkpoint", mlir::StringAttr::get(module.getContext(), beside));
}

absl::Status stc::readTextTokens(mlir::ModuleOp module, const std::string &path,
                                 ModelSettings &settings) {
  auto check = [&](llvm::StringRef name, int64_t token) {
    if (token >= 0 && token < settings.vocabSize)
      return absl::OkStatus();
    return formatError({path, name.str(), {}},
                       absl::StrCat("tokens from 0 to ", settings.vocabSize - 1),
                       absl::StrCat(token));
  };
  if (mlir::Attribute bos = module->getAttr(kBosTokenAttr)) {
    auto token = mlir::dyn_cast<mlir::IntegerAttr>(bos);
    if (!token || !token.getType().isSignlessInteger(64))
      return formatError({path, kBosTokenAttr, {}}, "an i64", "another attribute");
    STC_RETURN_IF_ERROR(check(kBosTokenAttr, token.getInt()));
    settings.bosToken = token.getInt();
  }
  if (mlir::Attribute eos = module->getAttr(kEosTokensAttr)) {
    auto tokens = mlir::dyn_cast<mlir::DenseI64ArrayAttr>(eos);
    if (!tokens)
      return formatError({path, kEosTokensAttr, {}}, "an array<i64: ...>", "another attribute");
    for (int64_t token : tokens.asArrayRef())
      STC_RETURN_IF_ERROR(check(kEosTokensAttr, token));
    settings.eosTokens.assign(tokens.asArrayRef().begin(), tokens.asArrayRef().end());
  }
  return absl::OkStatus();
}
