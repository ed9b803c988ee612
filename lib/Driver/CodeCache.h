// Machine code of earlier compilations: models of the same shapes and layouts have the same code.
#ifndef STC_LIB_DRIVER_CODECACHE_H
#define STC_LIB_DRIVER_CODECACHE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace stc {

/// A folder with one file for each key: "STCCODE1", the XXH3-128 of the key, the number of texts,
/// and of each its size and its bytes, and the XXH3-64 of all that (numbers are u64, little
/// endian). Several compilations may share it. What cannot be read or written is as if it were not
/// there: a cache is no reason to fail.
class CodeCache {
public:
  /// `limit`: bytes of all files; what was not used for longest goes first.
  explicit CodeCache(std::string folder, uint64_t limit = 512ull << 20)
      : folder(std::move(folder)), limit(limit) {}

  /// The texts that were added for the key, which count as used now.
  std::optional<std::vector<std::string>> find(const std::string &key) const;
  void add(const std::string &key, const std::vector<std::string> &texts) const;

private:
  void makeRoom() const;

  std::string folder;
  uint64_t limit;
};

} // namespace stc

#endif // STC_LIB_DRIVER_CODECACHE_H
