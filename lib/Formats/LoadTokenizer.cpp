// Finds the tokenizer that a path stands for: a folder, a tokenizer.json or a GGUF file.
#include "stc/Formats/Checkpoint.h"
#include "stc/Formats/TokenizerGguf.h"
#include "stc/Formats/TokenizerJson.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <sys/stat.h>

namespace stc {

absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
    return loadTokenizerJson(
        absl::StrCat(path, absl::EndsWith(path, "/") ? "" : "/", "tokenizer.json"));
  if (absl::EndsWith(path, ".json"))
    return loadTokenizerJson(path);
  STC_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, GgufFile::open(path));
  return loadTokenizerGguf(*file);
}

} // namespace stc
