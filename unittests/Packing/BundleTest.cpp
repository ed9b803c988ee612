// Bundles survive the round trip, and every truncation, extension and flipped bit is noticed.
#include "stc/Packing/Bundle.h"
#include "PackingTestUtil.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace stc;
using testing::HasSubstr;

namespace {

ModelSettings exampleSettings() {
  ModelSettings settings;
  settings.name = "books \"quoted\"\nand a line, \xC3\xA9";
  settings.kind = ModelKind::Encoder;
  settings.pooling = "cls";
  settings.normalize = 1;
  settings.architecture = "llama";
  settings.recipe = "magnitude:0.5 rtn:int4-g32";
  settings.chatTemplate = "{% for m in messages %}\n{{ \"<|\" ~ m.role }}\t\xC3\xA9{% endfor %}\n";
  settings.vocabSize = 512;
  settings.hiddenSize = 64;
  settings.layers = 2;
  settings.kvHeads = 4;
  settings.headDim = 8;
  settings.maxContext = 256;
  settings.prefillChunk = 64;
  settings.arenaBytes = 12345;
  settings.gpuPrefillChunk = 128;
  settings.gpuArenaBytes = 23456;
  settings.keyCacheBytes = settings.valueCacheBytes = 16384;
  settings.kvCache = "int8";
  settings.weightBytesPerToken = 999;
  settings.activationOpsPerToken = 1 << 20;
  settings.eosTokens = {2, 7};
  settings.suppressedTokens = {9, 3};
  settings.forcedTokens = {-1, 4};
  settings.bosToken = 1;
  settings.codeFingerprint = 0xFEDCBA9876543210;
  settings.other["stop_reason"] = "none at all";
  return settings;
}

WeightRecord exampleRecord(const std::string &name) {
  WeightRecord record;
  record.name = name;
  record.layout = "bitmap-int4-g32";
  record.pattern = "0.5";
  record.reason = "half of the weights are zero";
  record.shape = {17, 40};
  record.group = 32;
  record.density = 0.5;
  record.bits = 3.5;
  return record;
}

class BundleTest : public testing::Test {
protected:
  void SetUp() override {
    char name[] = "/tmp/stc-bundle-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory = name;
    path = directory + "/model.weights";
  }
  void TearDown() override {
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
  }

  absl::Status writeBundle(const std::string &prefix,
                           const std::vector<std::vector<uint8_t>> &weights,
                           const ModelSettings &settings, const std::string &tokenizer) {
    STC_ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
    STC_RETURN_IF_ERROR(file->write(prefix));
    BundleWriter writer(*file);
    STC_RETURN_IF_ERROR(writer.beginWeights());
    for (size_t i = 0; i < weights.size(); ++i) {
      STC_ASSIGN_OR_RETURN(
          uint64_t offset,
          writer.addWeight(exampleRecord("layers." + std::to_string(i)), weights[i]));
      EXPECT_EQ(offset % 64, 0u);
    }
    STC_RETURN_IF_ERROR(writer.finish(settings, tokenizer));
    return file->commit(true);
  }
  std::string readAll() { return readFile(path).value(); }
  void writeAll(const std::string &bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  /// The error of opening and checking, if any.
  absl::Status tryOpen() {
    STC_ASSIGN_OR_RETURN(auto bundle, Bundle::open(path));
    return bundle->verifyChecksums(1);
  }

  std::string directory, path;
};

/// Gives the table and the footer of changed bytes the checksums they would have.
void rehash(std::string &bytes) {
  auto load = [&](size_t at) {
    uint64_t value;
    std::memcpy(&value, bytes.data() + at, 8);
    return value;
  };
  auto store = [&](size_t at, uint64_t value) { std::memcpy(&bytes[at], &value, 8); };
  size_t footer = bytes.size() - 64;
  uint64_t table = load(footer + 16), tableBytes = load(footer + 24);
  if (table > footer || tableBytes > footer - table)
    return;
  size_t hashAt = size_t(table) + 4 * 32;
  for (size_t entry = size_t(table); entry < table + 4 * 32; entry += 32) {
    uint64_t offset = load(entry + 16), size = load(entry + 24);
    if (offset > table || size > table - offset)
      break;
    if (size == 0)
      continue;
    store(hashAt, XXH3_64bits(bytes.data() + offset, size)); // one block: tests are small
    hashAt += 8;
  }
  store(footer + 48, XXH3_64bits(bytes.data() + table, tableBytes));
  store(footer + 56, XXH3_64bits(bytes.data() + footer, 56));
}

std::vector<uint8_t> someBytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i)
    bytes[i] = uint8_t(i * 7 + 1);
  return bytes;
}

} // namespace

TEST_F(BundleTest, RoundTrip) {
  ModelSettings settings = exampleSettings();
  std::string tokenizer("tok\0enizer", 10);
  auto first = someBytes(100), second = someBytes(64), third = someBytes(1);
  for (const std::string &prefix : {std::string(),
                                    std::string("\x7F"
                                                "ELF and code"),
                                    std::string(5000, 'x')}) {
    ASSERT_TRUE(writeBundle(prefix, {first, second, third}, settings, tokenizer).ok());
    auto opened = Bundle::open(path);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const Bundle &bundle = **opened;
    EXPECT_EQ(bundle.path(), path);
    EXPECT_TRUE(bundle.verifyChecksums(1).ok());
    EXPECT_TRUE(bundle.verifyChecksums(4).ok());
    EXPECT_TRUE(bundle.verifyChecksums(0).ok());
    EXPECT_EQ(bundle.tokenizer(), tokenizer);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bundle.weights().data()) % 4096, 0u);
    ASSERT_EQ(bundle.records().size(), 3u);
    const std::vector<uint8_t> *all[] = {&first, &second, &third};
    for (size_t i = 0; i < 3; ++i) {
      const WeightRecord &record = bundle.records()[i];
      WeightRecord expected = exampleRecord("layers." + std::to_string(i));
      EXPECT_EQ(record.name, expected.name);
      EXPECT_EQ(record.layout, expected.layout);
      EXPECT_EQ(record.pattern, expected.pattern);
      EXPECT_EQ(record.reason, expected.reason);
      EXPECT_EQ(record.shape, expected.shape);
      EXPECT_EQ(record.group, expected.group);
      EXPECT_EQ(record.density, expected.density);
      EXPECT_EQ(record.bits, expected.bits);
      EXPECT_EQ(record.offset % 64, 0u);
      auto stored = bundle.weights().subspan(record.offset, record.bytes);
      EXPECT_EQ(std::vector<uint8_t>(stored.begin(), stored.end()), *all[i]);
    }
    const ModelSettings &read = bundle.settings();
    EXPECT_EQ(read.name, settings.name);
    EXPECT_EQ(read.architecture, settings.architecture);
    EXPECT_EQ(read.recipe, settings.recipe);
    EXPECT_EQ(read.chatTemplate, settings.chatTemplate);
    EXPECT_EQ(read.kind, ModelKind::Encoder);
    EXPECT_EQ(read.pooling, "cls");
    EXPECT_EQ(read.normalize, 1);
    EXPECT_EQ(read.vocabSize, 512);
    EXPECT_EQ(read.hiddenSize, 64);
    EXPECT_EQ(read.layers, 2);
    EXPECT_EQ(read.kvHeads, 4);
    EXPECT_EQ(read.headDim, 8);
    EXPECT_EQ(read.maxContext, 256);
    EXPECT_EQ(read.prefillChunk, 64);
    EXPECT_EQ(read.arenaBytes, 12345);
    EXPECT_EQ(read.onGpu().prefillChunk, 128);
    EXPECT_EQ(read.onGpu().arenaBytes, 23456);
    EXPECT_EQ(read.keyCacheBytes, 16384);
    EXPECT_EQ(read.kvCache, "int8");
    EXPECT_EQ(read.valueCacheBytes, 16384);
    EXPECT_EQ(read.weightBytesPerToken, 999);
    EXPECT_EQ(read.activationOpsPerToken, 1 << 20);
    EXPECT_EQ(read.eosTokens, settings.eosTokens);
    EXPECT_EQ(read.suppressedTokens, settings.suppressedTokens);
    EXPECT_EQ(read.firstSuppressedTokens, std::vector<int64_t>());
    EXPECT_EQ(read.forcedTokens, settings.forcedTokens);
    EXPECT_EQ(read.languageTokens, std::vector<int64_t>());
    EXPECT_EQ(read.bosToken, 1);
    EXPECT_EQ(read.codeFingerprint, settings.codeFingerprint);
    EXPECT_EQ(read.other, settings.other);
  }
}

TEST_F(BundleTest, ManyBlocksAndThreads) {
  // Three blocks and a bit, with a tensor across each border.
  std::vector<std::vector<uint8_t>> weights(5, someBytes(11 << 20));
  ASSERT_TRUE(writeBundle("", weights, exampleSettings(), "").ok());
  auto bundle = Bundle::open(path);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_TRUE((*bundle)->tokenizer().empty());
  for (int threads : {1, 2, 3, 100})
    EXPECT_TRUE((*bundle)->verifyChecksums(threads).ok());
  int file = ::open(path.c_str(), O_RDWR);
  ASSERT_GE(file, 0);
  for (off_t at : {off_t(40) << 20, off_t(20) << 20}) {
    ASSERT_EQ(::pwrite(file, "?", 1, at + 5), 1);
    for (int threads : {1, 2, 3, 100}) {
      auto damaged = Bundle::open(path);
      ASSERT_TRUE(damaged.ok());
      absl::Status status = (*damaged)->verifyChecksums(threads);
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr(at == off_t(40) << 20
                                ? "bundle weights @0x2000000: expected checksum"
                                : "bundle weights @0x1000000: expected checksum"));
    }
  }
  ::close(file);
}

TEST_F(BundleTest, EveryTruncationAndExtensionIsRefused) {
  ASSERT_TRUE(writeBundle("", {someBytes(100)}, exampleSettings(), "tokens").ok());
  std::string bytes = readAll();
  for (size_t size = bytes.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(path.c_str(), off_t(size)), 0);
    auto bundle = Bundle::open(path);
    ASSERT_FALSE(bundle.ok()) << size;
    ASSERT_THAT(std::string(bundle.status().message()), HasSubstr(path + ": "));
    ASSERT_THAT(std::string(bundle.status().message()), Not(HasSubstr("\n")));
  }
  for (size_t extra = 1; extra <= 130; ++extra) {
    writeAll(bytes + std::string(extra, '\0'));
    ASSERT_FALSE(Bundle::open(path).ok()) << extra;
    writeAll(bytes + bytes.substr(bytes.size() - std::min(extra, bytes.size())));
    ASSERT_FALSE(Bundle::open(path).ok()) << extra;
    writeAll(bytes.substr(extra)); // the beginning is missing
    ASSERT_FALSE(Bundle::open(path).ok()) << extra;
  }
  writeAll(bytes + bytes);
  EXPECT_THAT(std::string(Bundle::open(path).status().message()), HasSubstr("expected a file of "));
  writeAll("");
  EXPECT_FALSE(Bundle::open(path).ok());
  EXPECT_FALSE(Bundle::open(directory).ok());
  EXPECT_FALSE(Bundle::open(directory + "/missing").ok());
}

TEST_F(BundleTest, EveryFlippedBitIsNoticed) {
  ASSERT_TRUE(writeBundle("", {someBytes(70), someBytes(3)}, exampleSettings(), "tokens").ok());
  std::string bytes = readAll();
  ASSERT_LT(bytes.size(), 4096u);
  int file = ::open(path.c_str(), O_RDWR);
  ASSERT_GE(file, 0);
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      char flipped = char(bytes[at] ^ 1 << bit);
      ASSERT_EQ(::pwrite(file, &flipped, 1, off_t(at)), 1);
      ASSERT_FALSE(tryOpen().ok()) << "byte " << at << " bit " << bit;
      ASSERT_EQ(::pwrite(file, &bytes[at], 1, off_t(at)), 1);
    }
  ::close(file);
  EXPECT_TRUE(tryOpen().ok());
}

TEST_F(BundleTest, DamageBehindRightChecksums) {
  // Whoever makes bad files can hash them too: the parsers behind the checksums must hold alone.
  ASSERT_TRUE(writeBundle("", {someBytes(70), someBytes(3)}, exampleSettings(), "tokens").ok());
  const std::string good = readAll();
  int file = ::open(path.c_str(), O_RDWR);
  ASSERT_GE(file, 0);
  Random random(17);
  int refused = 0, rounds = 4000;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 1 << (round % 4); ++i) {
      size_t at = random.next() % bytes.size();
      const char values[] = {0, 1, '\x7F', '\xFF', '\n', '=', '"', char(random.next())};
      bytes[at] = values[random.next() % sizeof(values)];
    }
    if (round % 5 == 0) { // a whole number of the table or the records
      size_t at = random.next() % (bytes.size() / 8) * 8;
      uint64_t value = random.next() >> (random.next() % 64);
      std::memcpy(&bytes[at], &value, 8);
    }
    rehash(bytes);
    ASSERT_EQ(::pwrite(file, bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
    absl::Status status = tryOpen();
    refused += !status.ok();
    ASSERT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  }
  ::close(file);
  EXPECT_GT(refused, rounds / 4);
  EXPECT_LT(refused, rounds); // the weights and the tokenizer are bytes without rules
}

TEST_F(BundleTest, ClearErrors) {
  ASSERT_TRUE(writeBundle("", {someBytes(64)}, exampleSettings(), "").ok());
  const std::string good = readAll();
  auto message = [&](const std::string &from, const std::string &to) {
    std::string bytes = good;
    EXPECT_EQ(from.size(), to.size());
    size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    bytes.replace(at, to.size(), to);
    rehash(bytes);
    writeAll(bytes);
    absl::Status status = tryOpen();
    EXPECT_FALSE(status.ok()) << to;
    return std::string(status.message()).substr(path.size());
  };
  EXPECT_THAT(message("STCBUND1\1", "STCBUND1\2"), HasSubstr("expected version 1, got 2"));
  EXPECT_THAT(message("STCBUND1", "NOBUNDLE"), HasSubstr("expected STCBUND1 64 bytes before"));
  EXPECT_THAT(message("vocab_size = 512", "vocab_size = 5 2"), HasSubstr("vocab_size @0x"));
  EXPECT_THAT(message("vocab_size = 512", "vocab_size = 012"), HasSubstr("got 012"));
  EXPECT_THAT(message("vocab_size = 512", "vocab_size = -12"),
              HasSubstr("expected a number from 1 to 2147483647, got -12"));
  EXPECT_THAT(message("vocab_size = 512", "vocab_side = 512"), HasSubstr("got no such key"));
  EXPECT_THAT(message("vocab_size = 512", "vocab_size=  512"), HasSubstr("expected a line"));
  EXPECT_THAT(message("kv_heads = 4", "head_dim = 4"), HasSubstr("expected each key once"));
  EXPECT_THAT(message("max_context = 256", "max_context = 250"), HasSubstr("a multiple of 16"));
  EXPECT_THAT(message("eos_tokens = 2,7", "eos_tokens = 2,,"), HasSubstr("eos_tokens"));
  EXPECT_THAT(message("\"llama\"", "\"lla\\a\""), HasSubstr("architecture"));
  EXPECT_THAT(message("pooling = \"cls\"", "pooling = \"clt\""),
              HasSubstr("expected mean, cls, last or max for an encoder"));
  EXPECT_THAT(message("kind = encoder", "kind = decoder"),
              HasSubstr("nothing for another model, got 'cls'"));
  EXPECT_THAT(message("kind = encoder", "kind = encodes"),
              HasSubstr("expected decoder, encoder or encoder-decoder, got encodes"));
  EXPECT_THAT(message("label_logits = 0", "label_logits = 9"),
              HasSubstr("expected settings of images as large as this encoder reads"));
  EXPECT_THAT(message("\"llama\"", "\"llama?"), HasSubstr("expected a quoted string"));
  EXPECT_THAT(message("0xfedcba9876543210", "0xFEDCBA9876543210"), HasSubstr("code_fingerprint"));
}

TEST_F(BundleTest, WriterRefusesWhatReadersWould) {
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.ok());
  BundleWriter writer(**file);
  EXPECT_FALSE(writer.addWeight(exampleRecord("w"), {}).ok());
  EXPECT_FALSE(writer.finish(exampleSettings(), "").ok());
  ASSERT_TRUE(writer.beginWeights().ok());
  EXPECT_FALSE(writer.beginWeights().ok());
  auto refused = [&](auto change) {
    WeightRecord record = exampleRecord("w");
    change(record);
    EXPECT_FALSE(writer.addWeight(record, someBytes(64)).ok());
  };
  refused([](WeightRecord &r) { r.name.clear(); });
  refused([](WeightRecord &r) { r.shape.clear(); });
  refused([](WeightRecord &r) { r.shape = {3, 0}; });
  refused([](WeightRecord &r) { r.shape = {int64_t(1) << 40, int64_t(1) << 40}; });
  refused([](WeightRecord &r) { r.shape.assign(9, 1); });
  refused([](WeightRecord &r) { r.group = -1; });
  refused([](WeightRecord &r) { r.density = 1.5; });
  refused([](WeightRecord &r) { r.density = NAN; });
  refused([](WeightRecord &r) { r.bits = INFINITY; });
  EXPECT_EQ(writer.addWeight(exampleRecord("w"), someBytes(3)).value(), 0u);
  EXPECT_EQ(writer.addWeight(exampleRecord("v"), someBytes(3)).value(), 64u);
  auto settings = [&](auto change) {
    ModelSettings bad = exampleSettings();
    change(bad);
    EXPECT_FALSE(writer.finish(bad, "").ok());
  };
  settings([](ModelSettings &s) { s.vocabSize = 0; });
  settings([](ModelSettings &s) { s.maxContext = 100; });
  settings([](ModelSettings &s) { s.bosToken = -2; });
  settings([](ModelSettings &s) { s.eosTokens = {-1}; });
  settings([](ModelSettings &s) { s.eosTokens.assign(2000, 1); });
  settings([](ModelSettings &s) { s.suppressedTokens = {-1}; });
  settings([](ModelSettings &s) { s.forcedTokens = {-2}; });
  settings([](ModelSettings &s) { s.other["Key"] = "x"; });
  settings([](ModelSettings &s) { s.other["layers"] = "3"; });
  settings([](ModelSettings &s) { s.other["k"] = "a\nb"; });
  EXPECT_TRUE(writer.finish(exampleSettings(), "").ok());
  EXPECT_FALSE(writer.finish(exampleSettings(), "").ok());
  ASSERT_TRUE((*file)->commit().ok());
  EXPECT_TRUE(tryOpen().ok());
}

TEST_F(BundleTest, AnExecutableFindsItsOwnBundle) {
  if (const char *expected = std::getenv("STC_TEST_OWN_BUNDLE")) {
    auto bundle = Bundle::open("/proc/self/exe");
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    EXPECT_EQ((*bundle)->path(), "/proc/self/exe");
    EXPECT_EQ((*bundle)->tokenizer(), expected);
    EXPECT_TRUE((*bundle)->verifyChecksums(2).ok());
    return;
  }
  auto self = readFile("/proc/self/exe");
  ASSERT_TRUE(self.ok()) << self.status();
  ASSERT_TRUE(writeBundle(*self, {someBytes(100)}, exampleSettings(), "mine").ok());
  std::string command =
      "STC_TEST_OWN_BUNDLE=mine " + path + " --gtest_filter='*FindsItsOwnBundle' > /dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
}
