// Commands on a checkpoint: compile it once into a cache, then run the binary.
#include "stc/Driver/Cache.h"

#include "stc/Driver/Inspect.h"

#include "absl/strings/str_cat.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

#include <cstdlib>
#include <unistd.h>

using namespace stc;

/// Path, size and time of change of a file, or of every file directly in a directory.
static std::string stamp(const std::string &path) {
  std::string text;
  auto add = [&](const std::string &file) {
    llvm::sys::fs::file_status status;
    if (!llvm::sys::fs::status(file, status))
      absl::StrAppend(&text, file, ":", status.getSize(), ":",
                      status.getLastModificationTime().time_since_epoch().count(), "\n");
  };
  if (!llvm::sys::fs::is_directory(path)) {
    add(path);
    return text;
  }
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(path, error), end; it != end && !error;
       it.increment(error))
    files.push_back(it->path());
  llvm::sort(files); // directory order is the file system's
  for (const std::string &file : files)
    add(file);
  return text;
}

std::string stc::cacheDirectory() {
  const char *base = std::getenv("XDG_CACHE_HOME");
  if (base && *base)
    return absl::StrCat(base, "/stc");
  const char *home = std::getenv("HOME");
  return absl::StrCat(home && *home ? home : "/tmp", "/.cache/stc");
}

absl::StatusOr<std::string> stc::cachedExecutable(CompileOptions options) {
  if (isModelBinary(options.model))
    return options.model;
  llvm::SmallString<128> real;
  if (llvm::sys::fs::real_path(options.model, real))
    return formatError({options.model, "", {}}, "a checkpoint or a compiled model", "no such file");
  std::string compiler = llvm::sys::fs::getMainExecutable(nullptr, nullptr);
  std::string key = absl::StrCat(
      stamp(real.str().str()), stamp(compiler), options.prune, "|", options.quantize, "|",
      options.head, "|", options.target, "|", options.maxContext, "|",
      kvElementName(options.kvCache), "|", options.structure.str(), options.rotate ? "|rotate" : "",
      options.attention == "none" ? "" : "|attention " + options.attention,
      options.keepCodes ? "" : "|floats");
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
  if (llvm::sys::fs::create_directories(directory))
    return formatError({directory, "", {}}, "a cache directory that can be made", "an error");
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
