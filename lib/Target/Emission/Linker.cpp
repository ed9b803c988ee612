// Links generated objects with the runtime, in process (lld).
#include "stc/Target/Emission/Linker.h"

#include "LinkInputs.h"
#include "RunLinker.h"
#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"
#include "lld/Common/Driver.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/Binary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace stc;

std::vector<std::string> stc::capiFunctions() {
  return {"open",         "close",       "vocab_size", "hidden_size",          "max_context",
          "reset",        "logits",      "generate",   "generate_constrained", "embed",
          "chat_tokens",  "tokenize",    "detokenize", "pixel_count",          "read_image",
          "embed_pixels", "label_count", "label",      "classify_pixels"};
}

absl::Status stc::runLinker(const std::vector<std::string> &arguments) {
  std::vector<const char *> pointers{"ld.lld"};
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("linking failed: ", messages.substr(0, messages.find('\n'))));
}

/// The exported name of a C API function: books_open for stc_model_open.
static std::string exportedName(const LinkJob &job, const std::string &function) {
  return absl::StrCat(job.prefix, "_", function);
}

static absl::Status toStatus(llvm::Error error) {
  return error ? absl::InternalError("linking failed: " + llvm::toString(std::move(error)))
               : absl::OkStatus();
}

/// Gives the C API of a relocatable object the model's names and makes everything else local, so
/// that two models can be linked into one program.
static absl::Status keepOnlyCApi(const LinkJob &job) {
  llvm::objcopy::ConfigManager config;
  std::vector<std::string> names; // alive as long as `config`, which keeps references
  for (const std::string &function : capiFunctions()) {
    names.push_back("stc_model_" + function);
    names.push_back(exportedName(job, function));
  }
  for (size_t i = 0; i < names.size(); i += 2) {
    config.Common.SymbolsToRename[names[i]] = names[i + 1];
    // Symbols become local before they are renamed, so the old name is the one to keep.
    auto matcher = llvm::objcopy::NameOrPattern::create(
        names[i], llvm::objcopy::MatchStyle::Literal, [](llvm::Error error) { return error; });
    if (!matcher)
      return toStatus(matcher.takeError());
    STC_RETURN_IF_ERROR(toStatus(config.Common.SymbolsToKeepGlobal.addMatcher(std::move(matcher))));
  }
  auto binary = llvm::object::createBinary(job.outputPath);
  if (!binary)
    return toStatus(binary.takeError());
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  STC_RETURN_IF_ERROR(
      toStatus(llvm::objcopy::executeObjcopyOnBinary(config, *binary->getBinary(), stream)));
  std::error_code error;
  llvm::raw_fd_ostream out(job.outputPath, error);
  out << bytes;
  out.close();
  if (error || out.has_error())
    return absl::InternalError("linking failed: the object could not be written");
  return absl::OkStatus();
}

absl::Status stc::link(const LinkJob &job) {
  namespace in = linkinputs;
  std::vector<std::string> arguments{"-o", job.outputPath, "--build-id=none"};
  std::string versionScript;
  if (job.kind == LinkKind::Relocatable) {
    // Groups are dissolved: their symbols become local below, and a group shared with another
    // object would take the code behind them away.
    arguments.insert(arguments.end(), {"-r", "--force-group-allocation"});
    arguments.insert(arguments.end(), job.objectPaths.begin(), job.objectPaths.end());
    for (const std::string &function : capiFunctions())
      arguments.push_back(absl::StrCat("--undefined=stc_model_", function));
    arguments.push_back(in::runtimeArchive);
    STC_RETURN_IF_ERROR(runLinker(arguments));
    return keepOnlyCApi(job);
  }

  arguments.insert(arguments.end(), {"--eh-frame-hdr", "--gc-sections", "--strip-all", "-z",
                                     "relro", "-z", "now", "--hash-style=gnu"});
  if (job.kind == LinkKind::Executable) {
    arguments.insert(arguments.end(),
                     {"-pie", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", in::scrt1});
  } else {
    // Only the C API leaves the library, under the model's own names, so that two models can live
    // in one process.
    versionScript = absl::StrCat(job.outputPath, ".version");
    std::string text = "{ global:";
    for (const std::string &function : capiFunctions()) {
      arguments.push_back(
          absl::StrCat("--defsym=", exportedName(job, function), "=stc_model_", function));
      absl::StrAppend(&text, " ", exportedName(job, function), ";");
    }
    text += " local: *; };\n";
    STC_ASSIGN_OR_RETURN(auto file, AtomicFile::create(versionScript));
    STC_RETURN_IF_ERROR(file->write(absl::string_view(text)));
    STC_RETURN_IF_ERROR(file->commit());
    arguments.insert(arguments.end(),
                     {"-shared", "-Bsymbolic", absl::StrCat("--version-script=", versionScript)});
  }
  arguments.insert(arguments.end(), {in::crti, in::crtbegin});
  arguments.insert(arguments.end(), job.objectPaths.begin(), job.objectPaths.end());
  arguments.insert(arguments.end(),
                   {in::runtimeArchive, "--start-group", in::libstdcxx, in::libgcc, in::libgccEh,
                    "--end-group", absl::StrCat("-L", in::libcDirectory), "--as-needed", "-lm",
                    "-lc", in::libgcc, in::crtend, in::crtn});
  absl::Status status = runLinker(arguments);
  if (!versionScript.empty())
    llvm::sys::fs::remove(versionScript);
  return status;
}
