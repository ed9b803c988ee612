// What families have that Llama has not, in words.
#include "ConfigRules.h"

#include "absl/strings/str_cat.h"

namespace stc {

static void addBlock(const BlockTraits &block, std::vector<std::string> &features) {
  auto add = [&](bool has, absl::string_view text) {
    if (has)
      features.emplace_back(text);
  };
  add(block.norm == NormKind::Layer,
      block.weightlessNorm ? "layer norms without weights" : "layer norms");
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
  add(block.queryKeyNorm == QueryKeyNorm::PerHead, block.normAfterRotation
                                                       ? "norms of rotated query and key heads"
                                                       : "norms of query and key heads");
  add(block.queryKeyNorm == QueryKeyNorm::WholeRow, "norms of queries and keys");
}

static std::string describe(const MixtureDefaults &mixture) {
  std::string text = "mixture of experts";
  if (mixture.sharedExpertSize != 0 || !mixture.sharedCountKey.empty())
    absl::StrAppend(&text, ", one of them shared");
  // DeepSeek's keys.
  if (mixture.hasRoutingKeys && mixture.expertsKey == "n_routed_experts")
    absl::StrAppend(&text, ", chosen ", mixture.routing.sigmoid ? "by sigmoids, " : "",
                    "in groups where `n_group` says so");
  if (mixture.routing.corrected)
    absl::StrAppend(&text, ", with corrections");
  if (!mixture.denseCountKey.empty())
    absl::StrAppend(&text, "; dense layers in front");
  return text;
}

static std::vector<std::string> featuresOf(const ArchitectureRow &row) {
  std::vector<std::string> features;
  if (row.readsSound)
    features.push_back("two convolutions in front of the encoder, which reads mel bins");
  if (row.vision.classTokens != 0)
    features.push_back(row.vision.classTokens == 1
                           ? "patches behind a CLS token"
                           : "patches behind a CLS and a distillation token");
  addBlock(row.block, features);
  if (row.latent)
    features.push_back("keys and values from a latent vector");
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
  if (row.unscaledWindows)
    features.push_back("rotary scaling only in layers without a window");
  if (row.rotatesWindowsOnly)
    features.push_back(row.windowIsOptional
                           ? "rotation in layers with a window alone, where there are such"
                           : "rotation in layers with a window alone");
  if (row.windowRule == WindowRule::Always)
    features.push_back("sliding window");
  if (row.windowRule == WindowRule::Switched)
    features.push_back("sliding window on request");
  if (row.windowRule == WindowRule::Pattern)
    features.push_back(absl::StrCat("sliding window but in one layer in ", row.windowPattern));
  if (row.windowRule == WindowRule::TwoSided)
    features.push_back(
        absl::StrCat("window to both sides but in one layer in ", row.windowPattern));
  if (!row.headNormKey.empty())
    features.push_back(
        absl::StrCat("layer norms of query and key heads where `", row.headNormKey, "` says so"));
  if (row.tokenTypes != 0)
    features.push_back("token types, all of them the first");
  if (row.skipsPadding)
    features.push_back("positions begin behind `pad_token_id`");
  if (row.mixture.experts != 0)
    features.push_back(describe(row.mixture));
  if (row.attentionBias)
    features.push_back("attention biases");
  for (const NumberKey &key : row.numbers)
    if (!key.huggingFace.empty())
      features.push_back(absl::StrCat("`", key.huggingFace, "`"));
  return features;
}

std::vector<SupportedFamily> supportedFamilies() {
  std::vector<SupportedFamily> families;
  for (const ArchitectureRow &row : architectureRows()) {
    ModelConfig config;
    config.architecture = std::string(row.name);
    // GGUF files of Mistral and Mixtral call themselves llama, those of RoBERTa bert; an encoder
    // whose scores have biases has no name.
    bool readsImages = row.vision.classTokens != 0;
    bool isRead = !row.gguf.empty() || row.ggufInterleavedRope ||
                  (row.kind == ModelKind::Encoder && !readsImages && !row.block.relativeBias);
    families.push_back({row.kind, readsImages, config.architecture,
                        isRead ? ggufFamilyOf(config).name : "", std::string(row.models),
                        featuresOf(row)});
  }
  return families;
}

} // namespace stc
