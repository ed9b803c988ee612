// A fake model binary, run as its user runs it.
#include "ModelBinary.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stc::test {

void ModelBinary::write(const std::string &tokenizer,
                        const std::function<void(ModelSettings &)> &change) {
  writeBundle(program, tokenizer, change, STC_FAKE_BINARY);
}

pid_t ModelBinary::start(const std::vector<std::string> &args, int out, int err) {
  pid_t child = fork();
  if (child != 0)
    return child;
  int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(out < 0 ? null : out, 1);
  dup2(err < 0 ? null : err, 2);
  std::vector<char *> words{const_cast<char *>(program.c_str())};
  for (const std::string &arg : args)
    words.push_back(const_cast<char *>(arg.c_str()));
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  _exit(127);
}

int ModelBinary::waitFor(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ProgramResult ModelBinary::run(const std::vector<std::string> &args) {
  std::string outPath = directory / "out", errPath = directory / "err";
  int out = open(outPath.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  int err = open(errPath.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  ProgramResult result;
  result.status = waitFor(start(args, out, err));
  close(out);
  close(err);
  result.out = readFile(outPath).value();
  result.err = readFile(errPath).value();
  return result;
}

} // namespace stc::test
