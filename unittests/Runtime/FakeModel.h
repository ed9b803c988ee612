// A tiny hand-written "model" in the shape of generated code, and bundles for it.
#ifndef STC_UNITTESTS_RUNTIME_FAKEMODEL_H
#define STC_UNITTESTS_RUNTIME_FAKEMODEL_H

#include "stc/Packing/Bundle.h"
#include "stc/Runtime/Model.h"

#include <functional>
#include <string>
#include <vector>

namespace stc::test {

// 256 bytes, "th", "the", "<bos>", "<eos>", and four ids of padding without text.
constexpr int64_t fakeVocab = 264, fakeHidden = 4, fakeContext = 64, fakeChunk = 8;
constexpr int32_t fakeBos = 258, fakeEos = 259;
constexpr uint64_t fakeFingerprint = 0x5EED0FA7E57C0DE5;

/// The weights section that `writeBundle` writes and the fake model reads: one byte per token.
std::vector<uint8_t> fakeWeights();
/// The logits the fake model must give after `tokens`, computed without any of its machinery.
std::vector<float> expectedLogits(const std::vector<int32_t> &tokens);
/// The token that greedy decoding must choose after `tokens`.
int32_t expectedGreedy(const std::vector<int32_t> &tokens);

/// `count` tokens of the vocabulary.
std::vector<int32_t> someTokens(size_t count);
/// Expects of prompts, decoding, scoring and going back what `expectedLogits` says.
void expectFakeModel(Model &model);

/// Expects of a model of any kind, on any device, what the processors make of the bundle at `path`.
void expectAsOnProcessors(const std::string &path, Model &model);

ModelSettings fakeSettings();
/// Makes them those of an encoder that pools by the mean and does not scale.
void asEncoder(ModelSettings &settings);
/// Makes them those of an encoder-decoder, whose encoder reads rows of features or else tokens.
void asEncoderDecoder(ModelSettings &settings, bool readsFeatures);
/// A byte-level tokenizer of the fake vocabulary's first 260 ids.
std::string fakeTokenizer(bool addBos = true);

/// Writes a bundle to `path`, after a copy of `executable` when that is given. `change` may alter
/// the settings; `unread` are weights behind those that the model reads.
void writeBundle(const std::string &path, const std::string &tokenizer = fakeTokenizer(),
                 const std::function<void(ModelSettings &)> &change = nullptr,
                 const std::string &executable = "", absl::Span<const uint8_t> unread = {});

/// A fresh directory, removed with everything in it at the end.
class TemporaryDirectory {
public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string operator/(const std::string &name) const { return path + "/" + name; }

private:
  std::string path;
};

/// A written and opened fake model.
class FakeModel {
public:
  explicit FakeModel(int threads = 1, bool withTokenizer = true,
                     const std::function<void(ModelSettings &)> &change = nullptr);
  Model &operator*() { return *model; }
  Model *operator->() { return model.get(); }

private:
  TemporaryDirectory directory;
  std::unique_ptr<Model> model;
};

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKEMODEL_H
