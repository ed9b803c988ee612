// A fake model binary, run as its user runs it.
#ifndef STC_UNITTESTS_RUNTIME_MODELBINARY_H
#define STC_UNITTESTS_RUNTIME_MODELBINARY_H

#include "FakeModel.h"

#include "gtest/gtest.h"

#include <sys/types.h>

namespace stc::test {

struct ProgramResult {
  int status = -1; // 128 + signal when killed
  std::string out, err;
};

class ModelBinary : public testing::Test {
protected:
  void SetUp() override { write(fakeTokenizer()); }
  /// Writes `program`, with this tokenizer and changed settings.
  void write(const std::string &tokenizer,
             const std::function<void(ModelSettings &)> &change = nullptr);
  /// Starts the program with its standard streams on these descriptors (-1: /dev/null).
  pid_t start(const std::vector<std::string> &args, int out, int err);
  static int waitFor(pid_t child);
  ProgramResult run(const std::vector<std::string> &args);

  TemporaryDirectory directory;
  std::string program = directory / "fake";
};

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_MODELBINARY_H
