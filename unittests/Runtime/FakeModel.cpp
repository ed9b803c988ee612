// Bundles for the fake model, and what it must compute.
#include "FakeModel.h"

#include "stc/Runtime/Session.h"
#include "stc/Support/Utf8.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

namespace stc::test {

// Tests are about the processors, whatever machine they run on, unless they say otherwise.
static const int processorsOnly = setenv("STC_DEVICE", "cpu", /*overwrite=*/1);

std::vector<uint8_t> fakeWeights() {
  std::vector<uint8_t> weights(fakeVocab);
  for (int64_t i = 0; i < fakeVocab; ++i)
    weights[size_t(i)] = uint8_t(i * 37 + 11);
  return weights;
}

std::vector<float> expectedLogits(const std::vector<int32_t> &tokens) {
  double hidden[fakeHidden] = {};
  for (size_t p = 0; p < tokens.size(); ++p)
    for (int64_t h = 0; h < fakeHidden; ++h)
      hidden[h] += double(int64_t(tokens[p] + 1) * int64_t(p + 1) * (h + 3) % 97);
  std::vector<float> logits;
  std::vector<uint8_t> weights = fakeWeights();
  for (int64_t v = 0; v < fakeVocab; ++v) {
    double sum = weights[size_t(v)];
    for (int64_t h = 0; h < fakeHidden; ++h)
      sum += hidden[h] * double(v + 1 + h);
    logits.push_back(float(std::fmod(sum, 101) / 8));
  }
  return logits;
}

int32_t expectedGreedy(const std::vector<int32_t> &tokens) {
  std::vector<float> logits = expectedLogits(tokens);
  return int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<int32_t> someTokens(size_t count) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(int32_t(i * 53 % 256));
  return tokens;
}

static std::vector<float> toVector(absl::Span<const float> values) {
  return {values.begin(), values.end()};
}

void expectFakeModel(Model &model) {
  auto session = Session::create(model).value();
  for (size_t count : {1, 2, 7, 8, 9, 17, 64}) {
    std::vector<int32_t> tokens = someTokens(count);
    session->reset();
    auto logits = session->feed(tokens);
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_EQ(toVector(*logits), expectedLogits(tokens)) << count << " tokens";
    EXPECT_EQ(session->position(), int64_t(count));
  }
  std::vector<int32_t> tokens = someTokens(20);
  session->rewind(3);
  auto all = absl::MakeConstSpan(tokens);
  ASSERT_TRUE(session->prefill(all.subspan(3, 11)).ok());
  EXPECT_EQ(toVector(session->decode(tokens[14]).value()),
            expectedLogits({tokens.begin(), tokens.begin() + 15}));

  session->reset();
  std::vector<float> rows;
  ASSERT_TRUE(session
                  ->score(tokens,
                          [&](int64_t first, absl::Span<const float> logits) {
                            EXPECT_EQ(size_t(first * fakeVocab), rows.size());
                            rows.insert(rows.end(), logits.begin(), logits.end());
                            return absl::OkStatus();
                          })
                  .ok());
  std::vector<float> expected;
  for (size_t count = 1; count <= tokens.size(); ++count) {
    std::vector<float> row = expectedLogits({tokens.begin(), tokens.begin() + long(count)});
    expected.insert(expected.end(), row.begin(), row.end());
  }
  EXPECT_EQ(rows, expected);
}

/// Hidden states of an encoder, logits of everything else, after what an encoder reads first.
static std::vector<float> numbersOf(Model &model, size_t count) {
  const ModelSettings &settings = model.settings();
  auto session = Session::create(model).value();
  if (settings.kind == ModelKind::Encoder)
    return toVector(session->encode(someTokens(count)).value());
  if (settings.featureSize > 0) {
    std::vector<float> features;
    for (size_t i = 0; i < count * 2 * size_t(settings.featureSize); ++i)
      features.push_back(float(i * 29 % 17));
    EXPECT_TRUE(session->readSource(absl::MakeConstSpan(features)).ok());
  } else if (settings.kind == ModelKind::EncoderDecoder) {
    EXPECT_TRUE(session->readSource(absl::MakeConstSpan(someTokens(count))).ok());
  }
  std::vector<float> numbers = toVector(session->feed(someTokens(5)).value());
  std::vector<float> next = toVector(session->decode(7).value());
  numbers.insert(numbers.end(), next.begin(), next.end());
  return numbers;
}

void expectAsOnProcessors(const std::string &path, Model &model) {
  Model::Options options;
  options.device = "cpu";
  auto processors = Model::open(linkedModelCode(), path, options);
  ASSERT_TRUE(processors.ok()) << processors.status();
  std::vector<float> last;
  for (size_t count : {1, 2, 9, 32}) {
    std::vector<float> numbers = numbersOf(model, count);
    EXPECT_EQ(numbers, numbersOf(**processors, count)) << count;
    if (model.settings().kind != ModelKind::Decoder)
      EXPECT_NE(numbers, last) << "what the encoder reads changes nothing";
    last = numbers;
  }
}

ModelSettings fakeSettings() {
  ModelSettings settings;
  settings.name = "fake";
  settings.architecture = "sum";
  settings.recipe = "none";
  settings.vocabSize = fakeVocab;
  settings.hiddenSize = fakeHidden;
  settings.layers = settings.kvHeads = settings.headDim = 1;
  settings.maxContext = fakeContext;
  settings.prefillChunk = fakeChunk;
  settings.arenaBytes = fakeHidden * 4;
  settings.keyCacheBytes = settings.valueCacheBytes = 4 * fakeContext;
  settings.kvCache = "f32";
  settings.weightBytesPerToken = fakeVocab;
  settings.activationOpsPerToken = 2 * fakeVocab * fakeHidden;
  settings.eosTokens = {fakeEos};
  settings.bosToken = fakeBos;
  settings.codeFingerprint = fakeFingerprint;
  return settings;
}

void asEncoder(ModelSettings &settings) {
  settings.kind = ModelKind::Encoder;
  settings.pooling = "mean";
  settings.prefillChunk = settings.maxContext;
}

void asEncoderDecoder(ModelSettings &settings, bool readsFeatures) {
  settings.kind = ModelKind::EncoderDecoder;
  settings.encoderContext = readsFeatures ? fakeContext / 2 : fakeContext;
  settings.prefillChunk = fakeContext;
  settings.featureSize = readsFeatures ? 2 : 0;
}

std::string fakeTokenizer(bool addBos) {
  TokenizerSpec spec;
  spec.kind = TokenizerSpec::Kind::ByteLevelBpe;
  // GPT-2's printable stand-ins: printable bytes stand for themselves, the others for U+0100 on.
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    TokenizerSpec::Token token;
    appendUtf8(token.text, printable ? byte : next++);
    spec.tokens.push_back(token);
  }
  auto add = [&](const char *text, TokenizerSpec::TokenType type) {
    TokenizerSpec::Token token;
    token.text = text;
    token.type = type;
    spec.tokens.push_back(token);
  };
  add("th", TokenizerSpec::TokenType::Normal);
  add("the", TokenizerSpec::TokenType::Normal);
  add("<bos>", TokenizerSpec::TokenType::Control);
  add("<eos>", TokenizerSpec::TokenType::Control);
  spec.merges = {{"t", "h"}, {"th", "e"}};
  TokenizerSpec::PreTokenizer bytes;
  bytes.kind = TokenizerSpec::PreTokenizer::Kind::ByteLevelGpt2;
  spec.preTokenizers.push_back(bytes);
  spec.bos = fakeBos;
  spec.eos = fakeEos;
  spec.addBos = addBos;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(spec, "fake");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? (*tokenizer)->serialize() : "";
}

void writeBundle(const std::string &path, const std::string &tokenizer,
                 const std::function<void(ModelSettings &)> &change, const std::string &executable,
                 absl::Span<const uint8_t> unread) {
  ModelSettings settings = fakeSettings();
  if (change)
    change(settings);
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  if (!executable.empty()) {
    auto program = MappedFile::open(executable);
    ASSERT_TRUE(program.ok()) << program.status();
    ASSERT_TRUE((*file)->write((*program)->bytes()).ok());
    ASSERT_TRUE((*file)->padTo(4096).ok());
  }
  BundleWriter writer(**file);
  ASSERT_TRUE(writer.beginWeights().ok());
  WeightRecord record;
  record.name = "bias";
  record.layout = "dense<u8>";
  record.pattern = "dense";
  record.reason = "test";
  record.shape = {fakeVocab};
  record.bits = 8;
  ASSERT_TRUE(writer.addWeight(record, fakeWeights()).ok());
  if (!unread.empty()) {
    record.name = "rest";
    record.shape = {int64_t(unread.size())};
    ASSERT_TRUE(writer.addWeight(record, unread).ok());
  }
  absl::Status finished = writer.finish(settings, tokenizer);
  ASSERT_TRUE(finished.ok()) << finished;
  ASSERT_TRUE((*file)->commit(!executable.empty()).ok());
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "stc-test-XXXXXX").string();
  path = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() { std::filesystem::remove_all(path); }

FakeModel::FakeModel(int threads, bool withTokenizer,
                     const std::function<void(ModelSettings &)> &change) {
  std::string path = directory / "fake.weights";
  writeBundle(path, withTokenizer ? fakeTokenizer() : "", change);
  Model::Options options;
  options.threads = threads;
  auto opened = Model::open(linkedModelCode(), path, options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  if (opened.ok())
    model = *std::move(opened);
}

} // namespace stc::test
