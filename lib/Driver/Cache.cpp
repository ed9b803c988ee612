// Commands on a checkpoint: compile it once into a cache, then run the binary.
#include "stc/Driver/Cache.h"

#include "stc/Driver/Inspect.h"
#include "stc/Support/File.h"
#include "stc/Support/Process.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <cstdlib>
#include <pwd.h>
#include <unistd.h>
#include <vector>

using namespace stc;

/// Path, size and time of change of a file, or of every file in a directory and in those within it
/// (`1_Pooling/config.json`).
static std::string stamp(const std::string &path, int depth = 1) {
  std::vector<std::string> files;
  std::error_code error;
  if (llvm::sys::fs::is_directory(path))
    for (llvm::sys::fs::directory_iterator it(path, error), end; it != end && !error;
         it.increment(error))
      files.push_back(it->path());
  else
    files.push_back(path);
  llvm::sort(files); // directory order is the file system's
  std::string text;
  for (const std::string &file : files) {
    llvm::sys::fs::file_status status;
    if (llvm::sys::fs::status(file, status))
      continue;
    if (llvm::sys::fs::is_directory(status))
      text += depth > 0 ? stamp(file, depth - 1) : std::string();
    else
      absl::StrAppend(&text, file, ":", status.getSize(), ":",
                      status.getLastModificationTime().time_since_epoch().count(), "\n");
  }
  return text;
}

/// The stamp of all that a compilation of `path` reads: of a file of weights, what lies beside it;
/// of a module, the checkpoint that it names too.
static absl::StatusOr<std::string> stampModel(const std::string &path) {
  if (absl::EndsWith(path, ".safetensors") || absl::EndsWith(path, ".json"))
    return stamp(llvm::sys::path::parent_path(path).str(), /*depth=*/0);
  std::string own = stamp(path);
  if (!absl::EndsWith(path, ".mlir"))
    return own;
  STC_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
  llvm::StringRef text(reinterpret_cast<const char *>(file->bytes().data()), file->bytes().size());
  llvm::StringRef name = text.split("stc.checkpoint = \"").second.split('"').first;
  if (name.empty() || name.ends_with(".mlir"))
    return own;
  llvm::SmallString<128> beside = llvm::sys::path::parent_path(path);
  llvm::sys::path::append(beside, name);
  bool isBeside = !llvm::sys::path::is_absolute(name) && llvm::sys::fs::exists(beside);
  STC_ASSIGN_OR_RETURN(std::string checkpoint,
                       stampModel(isBeside ? beside.str().str() : name.str()));
  return own + checkpoint;
}

/// The home directory. A user of whom nobody knows one gets the root, which only root can write to:
/// programs from a place where others may write are not to be run.
static std::string homeDirectory() {
  if (const char *home = std::getenv("HOME"); home && *home)
    return home;
  passwd entry, *found = nullptr;
  std::vector<char> texts(1 << 16);
  if (getpwuid_r(geteuid(), &entry, texts.data(), texts.size(), &found) == 0 && found)
    return entry.pw_dir;
  return "/";
}

std::string stc::cacheDirectory() {
  const char *base = std::getenv("XDG_CACHE_HOME");
  return base && *base ? absl::StrCat(base, "/stc") : absl::StrCat(homeDirectory(), "/.cache/stc");
}

absl::StatusOr<std::string> stc::compilerIdentity() {
  STC_ASSIGN_OR_RETURN(auto file, MappedFile::open(executablePath()));
  return absl::StrCat(LLVM_VERSION_STRING, "-",
                      absl::Hex(llvm::xxh3_64bits({file->bytes().data(), file->bytes().size()})));
}

absl::StatusOr<std::string> stc::cachedExecutable(CompileOptions options) {
  if (isModelBinary(options.model))
    return options.model;
  llvm::SmallString<128> real;
  if (llvm::sys::fs::real_path(options.model, real))
    return formatError({options.model, "", {}}, "a checkpoint or a compiled model", "no such file");
  STC_ASSIGN_OR_RETURN(std::string files, stampModel(real.str().str()));
  std::string key = absl::StrCat(
      files, stamp(executablePath()), options.prune, "|", options.quantize, "|", options.head, "|",
      options.target, "|", options.maxContext, "|", kvElementName(options.kvCache), "|",
      options.structure.str(), options.rotate ? "|rotate" : "",
      options.attention == "none" ? "" : "|attention " + options.attention,
      options.keepCodes ? "" : "|floats", "|", activationsName(options.activations));
  if (const CalibrationOptions &calibration = options.calibration; !calibration.text.empty())
    absl::StrAppend(&key, "|", calibration.text == "default" ? "" : stamp(calibration.text),
                    calibration.sequences, "|", calibration.length, "|", calibration.repair, "|",
                    calibration.sweeps, "|", calibration.ratios);
  for (const std::string &pattern : options.exclude)
    absl::StrAppend(&key, "|exclude ", pattern);
  if (!options.budget.empty())
    absl::StrAppend(&key, "|", options.budget, "|", options.objective);
  if (options.recipe) {
    const std::string &text = options.recipe->calibration.text;
    absl::StrAppend(&key, "|", options.recipe->str(), "|",
                    text.empty() || text == "default" ? "" : stamp(text));
  }
  std::string directory = cacheDirectory();
  if (std::error_code error = llvm::sys::fs::create_directories(directory))
    return formatError({directory, "", {}},
                       "a cache directory that can be made (XDG_CACHE_HOME and HOME say where)",
                       error.message());
  options.output = absl::StrCat(directory, "/", absl::Hex(llvm::xxh3_64bits(key), absl::kZeroPad16),
                                "-", llvm::sys::path::stem(real).str());
  options.emit = EmitKind::Executable;
  if (!llvm::sys::fs::exists(options.output))
    STC_RETURN_IF_ERROR(compileModel(options));
  return options.output;
}

absl::Status stc::execute(const std::string &executable,
                          const std::vector<std::string> &arguments) {
  // A bare name would be looked up in PATH by a shell, but here it is a file.
  std::string path = executable.find('/') == std::string::npos ? "./" + executable : executable;
  std::vector<char *> pointers{const_cast<char *>(path.c_str())};
  for (const std::string &argument : arguments)
    pointers.push_back(const_cast<char *>(argument.c_str()));
  pointers.push_back(nullptr);
  execv(path.c_str(), pointers.data());
  return formatError({executable, "", {}}, "a program that can be run", strerror(errno));
}
