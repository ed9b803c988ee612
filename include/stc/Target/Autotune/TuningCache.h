// What measurements chose, kept on disk for later compilations on the same machine.
#ifndef STC_TARGET_AUTOTUNE_TUNINGCACHE_H
#define STC_TARGET_AUTOTUNE_TUNINGCACHE_H

#include "absl/status/status.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace stc {

/// Keys and values, each one line without tabs, that hold for one `circumstance`: the machine and
/// the compiler. A text file:
///   stc-autotune 1 CIRCUMSTANCE
///   HASH\tKEY\tVALUE        HASH: 16 hexadecimal digits, the XXH3-64 of "KEY\tVALUE"
/// Lines that are damaged are as good as absent.
class TuningCache {
public:
  /// Reads the file of this circumstance in `directory`, if there is one. An empty `directory`
  /// keeps everything in memory.
  TuningCache(std::string directory, std::string circumstance);

  std::optional<std::string> find(const std::string &key) const;
  void add(const std::string &key, const std::string &value);
  /// Writes what was added, together with what others have written meanwhile, unless nothing was.
  /// Errors: the directory or the file cannot be written.
  absl::Status save();

  /// The file; empty without a directory.
  const std::string &path() const { return file; }
  /// What was wrong with the file, a sentence each.
  const std::vector<std::string> &problems() const { return damage; }

private:
  using Entries = std::map<std::string, std::string>;
  void read(Entries &entries, std::vector<std::string> &problems) const;

  std::string directory, header, file;
  Entries known, added;
  std::vector<std::string> damage;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_TUNINGCACHE_H
