// A model binary as its user meets it: commands, output, errors, signals, and what it depends on.
#include "ModelBinary.h"

#include "stc/Runtime/CApi.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

namespace stc {
namespace {

using testing::HasSubstr;

/// The libraries an ELF file asks the loader for.
std::vector<std::string> neededLibraries(const std::string &path) {
  std::string file = readFile(path).value();
  auto at = [&](uint64_t offset) { return file.data() + offset; };
  const auto *header = reinterpret_cast<const Elf64_Ehdr *>(at(0));
  const auto *segments = reinterpret_cast<const Elf64_Phdr *>(at(header->e_phoff));
  auto fileOffset = [&](uint64_t address) {
    for (int i = 0; i < header->e_phnum; ++i)
      if (segments[i].p_type == PT_LOAD && address >= segments[i].p_vaddr &&
          address < segments[i].p_vaddr + segments[i].p_filesz)
        return address - segments[i].p_vaddr + segments[i].p_offset;
    return uint64_t(0);
  };
  std::vector<uint64_t> names;
  uint64_t strings = 0;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_DYNAMIC)
      continue;
    const auto *entry = reinterpret_cast<const Elf64_Dyn *>(at(segments[i].p_offset));
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_NEEDED)
        names.push_back(entry->d_un.d_val);
      if (entry->d_tag == DT_STRTAB)
        strings = fileOffset(entry->d_un.d_ptr);
    }
  }
  std::vector<std::string> libraries;
  for (uint64_t name : names)
    libraries.emplace_back(at(strings + name));
  return libraries;
}

using test::ModelBinary;
using Result = test::ProgramResult;

TEST_F(ModelBinary, NeedsOnlyLibcAndLibm) {
  for (const char *path : {STC_FAKE_BINARY, STC_FAKE_SHARED})
    for (const std::string &library : neededLibraries(path))
      EXPECT_THAT(library, testing::AnyOf("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2",
                                          "ld-linux-aarch64.so.1"))
          << path;
  EXPECT_THAT(neededLibraries(STC_FAKE_BINARY), testing::Contains("libc.so.6"));
}

TEST_F(ModelBinary, SharedLibraryWorksUnderItsPrefix) {
  void *library = dlopen(STC_FAKE_SHARED, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  EXPECT_EQ(dlsym(library, "stc_model_open"), nullptr);
  auto *openModel = reinterpret_cast<decltype(&stc_model_open)>(dlsym(library, "fake_open"));
  auto *closeModel = reinterpret_cast<decltype(&stc_model_close)>(dlsym(library, "fake_close"));
  auto *logitsOf = reinterpret_cast<decltype(&stc_model_logits)>(dlsym(library, "fake_logits"));
  ASSERT_TRUE(openModel && closeModel && logitsOf);
  test::writeBundle(directory / "fake.weights");
  char error[256] = "";
  stc_model_t *model = openModel((directory / "fake.weights").c_str(), 2, error, sizeof(error));
  ASSERT_NE(model, nullptr) << error;
  std::vector<float> logits(test::fakeVocab);
  std::vector<int32_t> tokens = {7, 8, 9};
  EXPECT_EQ(logitsOf(model, tokens.data(), 3, logits.data(), 0, error, sizeof(error)), 0);
  EXPECT_EQ(logits, test::expectedLogits(tokens));
  closeModel(model);
  // Not unloaded: the pool that its C++ library keeps for exceptions would look like a leak.
}

TEST_F(ModelBinary, RunsGreedily) {
  std::vector<int32_t> text = {1, 2, 3}, expected;
  for (int i = 0; i < 5; ++i) {
    expected.push_back(test::expectedGreedy(text));
    text.push_back(expected.back());
  }
  for (const char *threads : {"1", "2", "4"}) {
    Result result = run({"run", "--tokens", "1,2,3", "-n", "5", "--temperature", "0",
                         "--print-tokens", "--ignore-eos", "--threads", threads});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, absl::StrJoin(expected, " ") + "\n");
    EXPECT_THAT(result.err, HasSubstr("prompt 3 tokens in"));
  }
}

TEST_F(ModelBinary, RunPrintsThePromptAndTheSameTextForTheSameSeed) {
  std::vector<std::string> args = {"run", "-p", "the end", "-n", "20", "--seed", "3", "--quiet"};
  Result first = run(args), second = run(args);
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.err, "");
  EXPECT_EQ(first.out, second.out);
  EXPECT_EQ(first.out.substr(0, 7), "the end");
  args.push_back("--no-echo");
  EXPECT_EQ("the end" + run(args).out, first.out);
  args[6] = "4";
  EXPECT_NE("the end" + run(args).out, first.out);
}

TEST_F(ModelBinary, Tokenize) {
  EXPECT_EQ(run({"tokenize", "--text", "the a"}).out, "258 257 32 97\n");
  EXPECT_EQ(run({"tokenize", "--text", "the a", "--no-special"}).out, "257 32 97\n");
  EXPECT_EQ(run({"tokenize", "--text", ""}).out, "258\n");
  EXPECT_EQ(run({"tokenize", "--text-file", directory / "absent"}).status, 1);
}

TEST_F(ModelBinary, Logits) {
  std::string path = directory / "logits.npy";
  Result result = run({"logits", "--tokens", "1 2 3", "-o", path});
  ASSERT_EQ(result.status, 0) << result.err;
  std::string bytes = readFile(path).value();
  size_t row = test::fakeVocab * sizeof(float);
  ASSERT_EQ(bytes.size(), 128 + 3 * row);
  EXPECT_EQ(
      std::memcmp(bytes.data() + bytes.size() - row, test::expectedLogits({1, 2, 3}).data(), row),
      0);
  // A failure leaves nothing behind, not even a temporary file.
  std::string other = directory / "other.npy";
  EXPECT_EQ(run({"logits", "--tokens", "1,264", "-o", other}).status, 1);
  EXPECT_FALSE(readFile(other).ok());
  EXPECT_EQ(run({"logits", "--tokens", "1", "-o", directory / "no/where.npy"}).status, 1);
}

TEST_F(ModelBinary, EvalInfoAndBenchSpeakJson) {
  std::string text = directory / "text.txt";
  auto file = AtomicFile::create(text).value();
  ASSERT_TRUE(file->write("the cat sat on the mat, and the hat sat on the cat").ok());
  ASSERT_TRUE(file->commit().ok());
  Result eval = run({"eval", "--text", text, "--context", "16", "--json"});
  EXPECT_THAT(eval.out, testing::MatchesRegex("\\{\"tokens\": 30, \"perplexity\": [0-9.]+, "
                                              "\"perplexity_stderr\": [0-9.]+\\}\n"))
      << eval.err;
  EXPECT_THAT(run({"eval", "--text", text}).out, HasSubstr("perplexity "));
  EXPECT_EQ(run({"eval", "--text", text, "--context", "65"}).status, 1);

  Result info = run({"info", "--json"});
  for (const char *part : {"\"name\": \"fake\"", "\"checksums\": \"ok\"", "\"weight_bytes\": 264",
                           "\"fingerprint\": \"5eed0fa7e57c0de5\"", "\"layouts\": [{"})
    EXPECT_THAT(info.out, HasSubstr(part)) << info.err;
  EXPECT_THAT(run({"info", "--no-verify"}).out, HasSubstr("not verified"));

  Result bench =
      run({"bench", "--prompt-tokens", "16", "--generate", "8", "--threads", "2", "--json"});
  for (const char *key : {"decode_tokens_per_second", "prefill_tokens_per_second",
                          "weight_bytes_per_token", "cache_bytes_per_token", "startup_seconds",
                          "read_bandwidth_bytes_per_second", "decode_bandwidth_fraction",
                          "int8_peak_ops_per_second", "prefill_peak_fraction", "threads"})
    EXPECT_THAT(bench.out, HasSubstr(absl::StrCat("\"", key, "\": "))) << bench.err;
}

/// A model binary is compared with others, as `eval --reference` runs them.
class ModelBinaryEval : public ModelBinary {
protected:
  void SetUp() override {
    ModelBinary::SetUp();
    writeText(text, "the cat sat on the mat, and the hat sat on the cat");
  }
  static void writeText(const std::string &path, const std::string &content) {
    auto file = AtomicFile::create(path).value();
    ASSERT_TRUE(file->write(content).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  Result eval(const std::vector<std::string> &more, const std::string &context = "16") {
    std::vector<std::string> args = {"eval", "--text", text, "--context", context, "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  /// A failed evaluation: one line that names `path`.
  void expectError(const std::vector<std::string> &more, const std::string &message,
                   const std::string &context = "16") {
    Result result = eval(more, context);
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, testing::MatchesRegex("error: [^\n]*expected [^\n]*, got [^\n]*\n"));
    EXPECT_THAT(result.err, HasSubstr(message));
  }

  std::string text = directory / "text.txt";
  std::string other = directory / "other";
};

TEST_F(ModelBinaryEval, AgainstItself) {
  Result result = eval({"--reference", program});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out,
              testing::MatchesRegex(
                  "\\{\"tokens\": 30, \"perplexity\": ([0-9.]+), \"perplexity_stderr\": ([0-9.]+), "
                  "\"kl\": 0, \"kl_stderr\": 0, \"top1_agreement\": 1, "
                  "\"top1_agreement_stderr\": 0, \"reference_perplexity\": [0-9.]+, "
                  "\"reference_perplexity_stderr\": [0-9.]+\\}\n"));
  Result lines = run({"eval", "--text", text, "--reference", program, "--threads", "1"});
  EXPECT_THAT(lines.out, HasSubstr("\nKL         0.000000 +- 0.000000 nats per token\n"
                                   "same top-1 1.0000 +- 0.0000\n"));
}

TEST_F(ModelBinaryEval, SavedLogits) {
  std::string saved = directory / "teacher.stcl";
  Result plain = eval({}), saving = eval({"--save-logits", saved});
  EXPECT_EQ(saving.status, 0) << saving.err;
  EXPECT_EQ(plain.out, saving.out);
  EXPECT_EQ(readFile(saved).value().size(), 48 + 30 * 2 * size_t(test::fakeVocab));
  Result compared = eval({"--reference", saved});
  EXPECT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("\"top1_agreement\": "));

  // Another context, another text, a damaged file: said before anything is evaluated.
  expectError({"--reference", saved}, saved + ": context: expected 20, got 16", "20");
  writeText(other, readFile(saved).value().substr(0, 5000));
  expectError({"--reference", other}, other + ": expected 15888 bytes, got 5000");
  writeText(text, "the mat sat on the cat, and the hat sat on the cat");
  expectError({"--reference", saved}, saved + ": tokens: expected the ids that the evaluated");
  writeText(text, "the cat sat on the mat");
  expectError({"--reference", saved}, saved + ": scored tokens: expected 15, got 30");
  expectError({"--save-logits", directory / "no/where"}, "no");
  EXPECT_EQ(run({"eval", "--text", directory / "absent", "--save-logits", other}).status, 1);
}

TEST_F(ModelBinaryEval, SeveralTextsAreOne) {
  std::string second = directory / "second.txt", joined = directory / "joined.txt";
  writeText(second, "a hat, a cat and a mat are all that is here now");
  auto tokens = [](const Result &result) { return result.out.substr(0, result.out.find(", ")); };
  // 50 and 47 bytes, of which "the" is one token: two windows of 15 of each; joined there are more.
  EXPECT_EQ(tokens(eval({})), "{\"tokens\": 30");
  Result both = eval({"--text", second});
  EXPECT_EQ(tokens(both), "{\"tokens\": 75") << both.err;
  Result compared = eval({"--text", second, "--reference", program});
  EXPECT_EQ(tokens(compared), "{\"tokens\": 75") << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("\"kl\": 0,"));
  writeText(second, "");
  expectError({"--text", second}, second + ": text: expected at least two tokens in a window");
}

TEST_F(ModelBinaryEval, OtherModels) {
  std::string first = program;
  program = other;
  write(test::fakeTokenizer(/*addBos=*/false));
  program = first;
  expectError({"--reference", other}, other + ": tokens: expected the ids that the evaluated");
  // What goes wrong in the other process is said in the same line.
  std::string small = directory / "small";
  program = small;
  write(test::fakeTokenizer(), [](ModelSettings &settings) {
    settings.maxContext = 16;
    settings.keyCacheBytes = settings.valueCacheBytes = 4 * 16;
  });
  program = first;
  expectError({"--reference", small},
              small + ": expected a model that can score the same text, got eval: --context: "
                      "expected a whole number from 2 to 16",
              "20");
  std::string mute = directory / "mute";
  program = mute;
  write("");
  program = first;
  expectError({"--reference", mute}, "tokenizer: expected one, to read and write text");
}

TEST_F(ModelBinaryEval, NotReferences) {
  expectError({"--reference", directory / "absent"}, "absent: expected saved log-probabilities");
  expectError({"--reference", text}, "got another file");
  expectError({"--reference", directory / ""}, "got a directory");
  expectError({"--reference", "/bin/sh"}, "/bin/sh: ");
  auto file = AtomicFile::create(other).value();
  ASSERT_TRUE(file->write(readFile(program).value()).ok());
  ASSERT_TRUE(file->commit(/*executable=*/false).ok());
  expectError({"--reference", other}, "expected a program that can be run, got Permission denied");
}

TEST_F(ModelBinary, ErrorsAreOneLineAndStatusOne) {
  std::vector<std::vector<std::string>> cases = {
      {"rnu"},
      {"serve", "--port", "x"},
      {"serve", "--port", "70000"},
      {"serve", "--timeout", "-1"},
      {"serve", "positional"},
      {"help", "nothing"},
      {"run"},
      {"run", "-p", "a", "--prompt-file", "b"},
      {"run", "-p", "a", "--temperature", "hot"},
      {"run", "-p", "a", "--threads", "0"},
      {"run", "-p", "a", "--device", "gpu"},
      {"run", "-p", "a", "--device", ""},
      {"info", "--device", "cuda:x"},
      {"run", "-p", "a", "--top-p", "1.5"},
      {"run", "-p", "a", "-n", "-1"},
      {"run", "--tokens", "1,x"},
      {"run", "--tokens", "999"},
      {"run", "-p", std::string(100, 'x')},
      {"run", "--prompt-file", "/"},
      {"logits", "--tokens", "1"},
      {"logits", "-o", "x.npy"},
      {"tokenize"},
      {"tokenize", "--text", "a", "--text-file", "b"},
      {"eval"},
      {"eval", "--text", "/absent", "--context", "1"},
      {"eval", "--text", "/dev/null"},
      {"eval", "--text", "a", "--reference", "b"},
      {"bench", "--generate", "1000000000000"},
      {"bench", "--prompt-tokens", "64", "--generate", "1"},
      {"info", "positional"},
  };
  for (const auto &args : cases) {
    Result result = run(args);
    std::string command = absl::StrJoin(args, " ");
    EXPECT_EQ(result.status, 1) << command;
    EXPECT_EQ(result.out, "") << command;
    EXPECT_THAT(result.err, testing::MatchesRegex("error: [^\n]*expected [^\n]*, got [^\n]*\n"))
        << command;
  }
}

TEST_F(ModelBinary, WithoutATokenizerIdsStillWork) {
  write("");
  EXPECT_EQ(run({"run", "--tokens", "1", "-n", "2", "--print-tokens", "--quiet"}).status, 0);
  for (const std::vector<std::string> &args : {std::vector<std::string>{"run", "-p", "a"},
                                               {"run", "--tokens", "1"},
                                               {"tokenize", "--text", "a"},
                                               {"eval", "--text", program}}) {
    Result result = run(args);
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("tokenizer: expected one, to read and write text, got none"));
  }
  std::string ids = directory / "ids.txt";
  auto file = AtomicFile::create(ids).value();
  ASSERT_TRUE(file->write("1 2 3 4 5").ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_THAT(run({"eval", "--tokens-file", ids, "--json"}).out, HasSubstr("\"tokens\": 4,"));
}

TEST_F(ModelBinary, HelpNeedsNoModel) {
  program = STC_FAKE_BINARY; // no bundle
  for (const char *command : {"run", "logits", "tokenize", "eval", "bench", "info", "serve"}) {
    Result page = run({command, "--help"}), same = run({"help", command});
    EXPECT_EQ(page.status, 0);
    EXPECT_EQ(page.out, same.out);
    EXPECT_THAT(page.out, HasSubstr("Examples:"));
  }
  EXPECT_THAT(run({"--help"}).out, HasSubstr("Commands:"));
  EXPECT_THAT(run({"help"}).out, HasSubstr("serve"));
  Result none = run({});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("Usage:"));
  EXPECT_THAT(run({"info"}).err, HasSubstr("error: "));
}

TEST_F(ModelBinary, DamageIsNoticed) {
  std::string bytes = readFile(program).value();
  bytes[bytes.size() - 200] ^= 1;
  std::string damaged = directory / "damaged";
  auto file = AtomicFile::create(damaged).value();
  ASSERT_TRUE(file->write(bytes).ok());
  ASSERT_TRUE(file->commit(true).ok());
  program = damaged;
  Result result = run({"run", "-p", "a"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr(damaged));
}

TEST_F(ModelBinary, FailedWritesAreErrors) {
  std::string errPath = directory / "err";
  auto failing = [&](int out, const std::vector<std::string> &args) {
    int err = open(errPath.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_EQ(waitFor(start(args, out, err)), 1);
    close(err);
    return readFile(errPath).value();
  };
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  for (const std::vector<std::string> &args :
       {std::vector<std::string>{"run", "-p", "a", "-n", "5"},
        {"info", "--json"},
        {"help"},
        {"tokenize", "--text", "a"}}) {
    EXPECT_EQ(failing(ends[1], args),
              "error: standard output: expected a complete write, got Broken pipe\n");
    if (full >= 0)
      EXPECT_THAT(failing(full, args), HasSubstr("error: standard output: expected a complete"));
  }
  close(ends[1]);
  close(full);
}

/// A context so long that the fake model, quadratic in it, does not end by itself.
void makeLong(ModelSettings &settings) {
  settings.maxContext = 1 << 20;
  settings.keyCacheBytes = settings.valueCacheBytes = 4 << 20;
}

TEST_F(ModelBinary, InterruptEndsTheTextCleanly) {
  write(test::fakeTokenizer(), makeLong);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  pid_t child =
      start({"run", "-p", "a", "-n", "1000000", "--ignore-eos", "--print-tokens"}, ends[1], -1);
  close(ends[1]);
  std::string out(16, 0);
  ASSERT_GT(read(ends[0], out.data(), out.size()), 0);
  kill(child, SIGINT);
  char last = 0;
  for (char buffer[4096]; ssize_t count = read(ends[0], buffer, sizeof(buffer));)
    last = buffer[count - 1];
  EXPECT_EQ(waitFor(child), 0);
  EXPECT_EQ(last, '\n');
  close(ends[0]);
}

TEST_F(ModelBinary, InteractiveOnATerminal) {
  write(test::fakeTokenizer(), makeLong);
  int terminal = -1;
  pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    execl(program.c_str(), program.c_str(), nullptr);
    _exit(127);
  }
  std::string seen;
  auto readUntil = [&](const char *text) {
    size_t from = seen.size();
    char buffer[4096];
    while (seen.find(text, from) == std::string::npos) {
      ssize_t count = read(terminal, buffer, sizeof(buffer));
      if (count <= 0)
        return false;
      seen.append(buffer, size_t(count));
    }
    return true;
  };
  ASSERT_TRUE(readUntil("> ")) << seen;
  for (const char *line : {"the first\n", "the second\n"}) {
    ASSERT_GT(::write(terminal, line, std::strlen(line)), 0);
    ASSERT_TRUE(readUntil("\n> ")) << seen;
  }
  EXPECT_THAT(seen, HasSubstr("the second"));
  ASSERT_GT(::write(terminal, "\x04", 1), 0);
  EXPECT_EQ(waitFor(child), 0);
  close(terminal);
}

} // namespace
} // namespace stc
