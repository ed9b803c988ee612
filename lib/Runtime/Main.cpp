// The main program of every model binary.
#include "stc/Runtime/Commands.h"
#include "stc/Support/Process.h"

int main(int argc, char **argv) {
  std::string program = argc > 0 ? argv[0] : "model";
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i)
    args.emplace_back(argv[i]);
  return stc::modelMain({program, stc::linkedModelCode(), stc::executablePath()}, args);
}
