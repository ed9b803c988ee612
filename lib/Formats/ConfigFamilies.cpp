// What families have that Llama has not, in words.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

namespace stc {

static void addBlock(const BlockTraits &block, std::vector<std::string> &features) {
  auto add = [&](bool has, absl::string_view text) {
    if (has)
      features.emplace_back(text);
  };
  add(block.norm == NormKind::Layer, "layer norms");
  add(block.postNorm && block.preNorm, "norms before and after each part");
  add(block.postNorm && !block.preNorm, "norms after each part");
  add(block.parallel && block.sharedNorm, "attention and feed-forward side by side, one norm");
  add(block.parallel && !block.sharedNorm, "attention and feed-forward side by side");
  add(!block.gated, "feed-forward without gate");
  add(block.learnedPositions, "learned positions");
  add(block.relativeBias, "biases of scores by distance");
  add(block.sumNorm, "norms of the sums");
  add(block.embeddingNorm, "a norm of the embeddings");
  add(!block.firstNorm, "no norm before the first attention");
  add(block.normalizedEmbedding, "embeddings times sqrt(hidden size)");
  add(block.sinkLogits, "sink logits in attention");
  add(block.clampedGate, "a clamped gate");
  add(block.queryKeyNorm == QueryKeyNorm::PerHead, "norms of query and key heads");
  add(block.queryKeyNorm == QueryKeyNorm::WholeRow, "norms of queries and keys");
}

static std::vector<std::string> featuresOf(const ArchitectureRow &row) {
  std::vector<std::string> features;
  if (row.readsSound)
    features.push_back("two convolutions in front of the encoder, which reads mel bins");
  addBlock(row.block, features);
  if (row.alibiBias != 0)
    features.push_back("ALiBi in place of rotation");
  if (row.alibiSwitch)
    features.push_back("ALiBi in place of rotation where `alibi` says so");
  if (row.interleavedRope)
    features.push_back("rotation of adjacent pairs");
  if (row.rotaryFraction != 0)
    features.push_back("a part of each head is rotated");
  if (row.localRopeTheta != 0)
    features.push_back("another rotation in layers with a window");
  if (row.unrotatedPattern != 0)
    features.push_back(absl::StrCat("one layer in ", row.unrotatedPattern, " without rotation"));
  if (row.rotatesWindowsOnly)
    features.push_back("rotation in layers with a window alone");
  if (row.windowRule == WindowRule::Always)
    features.push_back("sliding window");
  if (row.windowRule == WindowRule::Switched)
    features.push_back("sliding window on request");
  if (row.windowRule == WindowRule::Pattern)
    features.push_back(absl::StrCat("sliding window but in one layer in ", row.windowPattern));
  if (row.windowRule == WindowRule::TwoSided)
    features.push_back(
        absl::StrCat("window to both sides but in one layer in ", row.windowPattern));
  if (row.tokenTypes != 0)
    features.push_back("token types, all of them the first");
  if (row.skipsPadding)
    features.push_back("positions begin behind `pad_token_id`");
  if (row.mixture.experts != 0)
    features.push_back(row.mixture.sharedExpertSize != 0 ? "mixture of experts, one of them shared"
                                                         : "mixture of experts");
  if (row.attentionBias)
    features.push_back("attention biases");
  for (const NumberKey &key : row.numbers)
    features.push_back(absl::StrCat("`", key.huggingFace, "`"));
  return features;
}

std::vector<SupportedFamily> supportedFamilies() {
  std::vector<SupportedFamily> families;
  for (const ArchitectureRow &row : architectureRows()) {
    ModelConfig config;
    config.architecture = std::string(row.name);
    // GGUF files of Mistral and Mixtral call themselves llama, those of RoBERTa bert.
    bool isRead = !row.gguf.empty() || row.ggufInterleavedRope || row.kind == ModelKind::Encoder;
    families.push_back({row.kind, config.architecture, isRead ? ggufFamilyOf(config).name : "",
                        std::string(row.models), featuresOf(row)});
  }
  return families;
}

} // namespace stc
