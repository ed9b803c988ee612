// A folder of a test's own that disappears with the test.
#ifndef STC_UNITTESTS_SUPPORT_TEMPFOLDER_H
#define STC_UNITTESTS_SUPPORT_TEMPFOLDER_H

#include "gtest/gtest.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace stc {

class TempFolder {
public:
  TempFolder() {
    std::string pattern = testing::TempDir() + "/stc-XXXXXX";
    if (const char *created = mkdtemp(pattern.data()))
      root = created;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  TempFolder(const TempFolder &) = delete;
  TempFolder &operator=(const TempFolder &) = delete;

  std::string path(const std::string &name = "") const { return root + "/" + name; }

  /// Writes a file and returns its path.
  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  static std::string read(const std::string &path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }

  /// The names of all files, hidden ones too.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : std::filesystem::directory_iterator(root))
      result.push_back(entry.path().filename().string());
    return result;
  }

private:
  std::string root;
};

} // namespace stc

#endif // STC_UNITTESTS_SUPPORT_TEMPFOLDER_H
