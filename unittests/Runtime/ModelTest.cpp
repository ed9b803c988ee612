// Opening models: what belongs together opens, everything else is one clear error.
#include "FakeModel.h"

#include "stc/Runtime/CpuFeatures.h"
#include "stc/Runtime/Memory.h"
#include "stc/Runtime/Session.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <unistd.h>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string openError(const std::string &path, ModelCode code = linkedModelCode(),
                      Model::Options options = {}) {
  auto model = Model::open(code, path, options);
  if (model.ok())
    return "";
  std::string message(model.status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message;
}

TEST(Model, Opens) {
  test::FakeModel model(2);
  EXPECT_EQ(model->settings().name, "fake");
  EXPECT_EQ(model->pool().threads(), 2);
  ASSERT_NE(model->tokenizer(), nullptr);
  EXPECT_TRUE(model->isEndOfText(test::fakeEos));
  EXPECT_FALSE(model->isEndOfText(0));
  EXPECT_EQ(model->piece('a'), "a");
  EXPECT_EQ(model->piece(257), "the");
  for (int32_t id : {260, 263, -1, INT32_MAX})
    EXPECT_EQ(model->piece(id), "");
}

TEST(Model, WithoutATokenizerSaysSo) {
  test::FakeModel model(1, false);
  EXPECT_EQ(model->tokenizer(), nullptr);
  EXPECT_THAT(std::string(model->requireTokenizer().status().message()),
              HasSubstr("tokenizer: expected one, to read and write text, got none"));
}

TEST(Model, SaysWhatItsKindOffers) {
  test::FakeModel decoder;
  EXPECT_TRUE(decoder->require(Ability::Continue).ok());
  EXPECT_THAT(std::string(decoder->require(Ability::Embed).message()),
              HasSubstr("model: expected an encoder, which turns texts into vectors, got one of "
                        "kind decoder (it offers run, serve, logits"));
  test::FakeModel encoder(1, true, test::asEncoder);
  EXPECT_TRUE(encoder->require(Ability::Embed).ok());
  const char *refusal = "model: expected a decoder, which continues texts, got one of kind encoder "
                        "(it offers embed, serve, logits, tokenize, eval, bench and info)";
  EXPECT_THAT(std::string(encoder->require(Ability::Continue).message()), HasSubstr(refusal));
  auto session = Session::create(*encoder).value();
  EXPECT_THAT(std::string(session->decode(1).status().message()), HasSubstr(refusal));
  EXPECT_THAT(std::string(session->feed({1, 2}).status().message()), HasSubstr(refusal));
  EXPECT_EQ(session->position(), 0);
}

TEST(Model, RefusesCodeOfAnotherModelOrCompiler) {
  test::TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  test::writeBundle(path);
  ModelCode other = linkedModelCode();
  other.fingerprint ^= 1;
  EXPECT_THAT(openError(path, other), HasSubstr("weights: expected those of this model"));
  ModelCode newer = linkedModelCode();
  newer.abiVersion = 99;
  EXPECT_THAT(openError(path, newer), HasSubstr("got version 99"));
  EXPECT_THAT(openError(path, other), HasSubstr(path));
}

TEST(Model, RefusesWhatCannotRunHere) {
  struct {
    void (*change)(ModelSettings &);
    const char *field;
  } cases[] = {
      {[](ModelSettings &s) { s.arenaBytes = int64_t(1) << 60; }, "memory"},
      {[](ModelSettings &s) {
         s.vocabSize = INT32_MAX;
         s.maxContext = s.hiddenSize = s.prefillChunk = INT32_MAX / 16 * 16;
       },
       "memory"},
      {[](ModelSettings &s) { s.keyCacheBytes = s.valueCacheBytes = int64_t(1) << 60; }, "memory"},
      {[](ModelSettings &s) { s.codeFingerprint = 1; }, "fingerprint"},
  };
  test::TemporaryDirectory directory;
  for (const auto &c : cases) {
    std::string path = directory / "m.weights";
    test::writeBundle(path, "", c.change);
    EXPECT_THAT(openError(path), HasSubstr(c.field));
  }
}

TEST(Model, RefusesDamagedBundles) {
  test::TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  EXPECT_THAT(openError(path), HasSubstr(path));
  test::writeBundle(path);
  std::string whole = readFile(path).value();
  auto rewrite = [&](const std::string &bytes) {
    auto file = AtomicFile::create(path).value();
    ASSERT_TRUE(file->write(bytes).ok());
    ASSERT_TRUE(file->commit().ok());
  };
  for (size_t keep : {size_t(0), size_t(1), whole.size() / 2, whole.size() - 1}) {
    rewrite(whole.substr(0, keep));
    EXPECT_NE(openError(path), "") << keep << " bytes";
  }
  rewrite(whole + "x");
  EXPECT_NE(openError(path), "");
  std::string flipped = whole;
  flipped[3] ^= 1; // the weights come first
  rewrite(flipped);
  EXPECT_THAT(openError(path), HasSubstr(path));
  Model::Options unchecked;
  unchecked.verify = false;
  EXPECT_EQ(openError(path, linkedModelCode(), unchecked), "");
  rewrite(whole);
  EXPECT_EQ(openError(path), "");
}

TEST(Model, OpensOnlyTheTokenizer) {
  test::TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  test::writeBundle(path, test::fakeTokenizer(),
                    [](ModelSettings &s) { s.arenaBytes = int64_t(1) << 60; });
  EXPECT_THAT(openError(path), HasSubstr("memory"));
  EXPECT_TRUE(openTokenizer(path).ok());
  test::writeBundle(path, "");
  EXPECT_THAT(std::string(openTokenizer(path).status().message()), HasSubstr("tokenizer"));
}

/// The linked code as variants of the given names and features.
std::vector<StcVariant>
variantsOf(std::initializer_list<std::pair<const char *, const char *>> list) {
  std::vector<StcVariant> variants;
  for (auto [target, features] : list) {
    variants.push_back(linkedModelCode().variants[0]);
    variants.back().target = target;
    variants.back().features = features;
  }
  return variants;
}

TEST(Model, RunsTheFirstVariantThatThisProcessorCan) {
  test::TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  test::writeBundle(path);
  std::vector<StcVariant> variants =
      variantsOf({{"huge", "avx9000"}, {"plain", ""}, {"worse", ""}, {"tiny", "avx1"}});
  ModelCode code = linkedModelCode();
  code.variants = variants;
  auto chosen = [&](const char *target) -> std::string {
    Model::Options options;
    options.target = target;
    auto model = Model::open(code, path, options);
    return model.ok() ? (*model)->variant().target : std::string(model.status().message());
  };
  EXPECT_EQ(chosen(""), "plain");
  EXPECT_EQ(chosen("worse"), "worse");
  EXPECT_EQ(chosen("x"), path +
                             ": STC_TARGET: expected a target of this model: huge, plain, worse, "
                             "tiny, got x");
  EXPECT_EQ(chosen("huge"), path + ": processor: expected one that runs code for huge, got one "
                                   "that lacks avx9000 (unknown) for huge (compile the model again "
                                   "with --target=native)");
  setenv("STC_TARGET", "worse", 1);
  EXPECT_EQ(chosen(""), "worse");
  EXPECT_EQ(chosen("plain"), "plain");
  setenv("STC_TARGET", "", 1);
  EXPECT_EQ(chosen(""), "plain");
  unsetenv("STC_TARGET");
}

TEST(Model, NamesEveryVariantThisProcessorCannotRun) {
  test::TemporaryDirectory directory;
  std::string path = directory / "m.weights";
  test::writeBundle(path);
  std::vector<StcVariant> variants = variantsOf({{"a", "avx9000,avx9001"}, {"b", "avx1"}});
  ModelCode code = linkedModelCode();
  code.variants = variants;
  EXPECT_THAT(
      openError(path, code),
      HasSubstr(
          "expected one that runs code for a or b, got one that lacks avx1 (unknown) for b "));
  code.variants = {};
  EXPECT_THAT(openError(path, code), HasSubstr("expected"));
}

TEST(CpuFeatures, Lists) {
  EXPECT_THAT(missingCpuFeatures(""), IsEmpty());
#if defined(__x86_64__)
  EXPECT_TRUE(hasCpuFeature("sse2"));
  EXPECT_THAT(missingCpuFeatures("sse2,cmov,"), IsEmpty());
  EXPECT_EQ(hasCpuFeature("avx2"), bool(__builtin_cpu_supports("avx2")));
  EXPECT_EQ(hasCpuFeature("avx512vnni"), bool(__builtin_cpu_supports("avx512vnni")));
  EXPECT_EQ(hasCpuFeature("avx512vbmi2"), bool(__builtin_cpu_supports("avx512vbmi2")));
  EXPECT_EQ(hasCpuFeature("avx512bf16"), bool(__builtin_cpu_supports("avx512bf16")));
  EXPECT_EQ(hasCpuFeature("bmi2"), bool(__builtin_cpu_supports("bmi2")));
  EXPECT_EQ(hasCpuFeature("f16c"), bool(__builtin_cpu_supports("f16c")));
#endif
  EXPECT_THAT(missingCpuFeatures("nonsense,more"),
              ElementsAre("nonsense (unknown)", "more (unknown)"));
}

#if defined(__x86_64__)
TEST(CpuFeatures, NamesWhatIsMissing) {
  for (const char *feature : {"amx-fp16", "avxvnniint16", "sse4a", "avx512fp16"})
    if (!hasCpuFeature(feature)) {
      EXPECT_THAT(missingCpuFeatures(std::string("sse2,") + feature), ElementsAre(feature));
      return;
    }
  GTEST_SKIP() << "this processor has everything";
}
#endif

TEST(Memory, IsZeroedAndRefusedPolitely) {
  auto memory = Memory::allocate(1 << 20, "test");
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(memory->data()[12345], 0);
  EXPECT_EQ(Memory::allocate(0, "test")->data(), nullptr);
  EXPECT_THAT(std::string(Memory::allocate(uint64_t(1) << 60, "the KV cache").status().message()),
              HasSubstr("the KV cache: expected"));
  EXPECT_TRUE(checkMemory("m", 100, 100).ok());
  EXPECT_EQ(checkMemory("m", 101, 100).message(),
            "m: memory: expected a machine with at least 101 bytes (weights, KV cache and scratch "
            "space), got 100 bytes");
  EXPECT_GT(totalMemoryBytes(), uint64_t(1) << 20);
}

} // namespace
} // namespace stc
