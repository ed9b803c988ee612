// Choosing the next token: penalty, temperature, top-k, top-p, min-p, and one random number.
#include "stc/Runtime/Sampler.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

/// More likely first; equals by id, so that the order never depends on the sorting algorithm.
template <typename Candidate> bool isBefore(const Candidate &a, const Candidate &b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

} // namespace

Sampler::Sampler(const SamplerOptions &options, uint64_t seed) : options(options), random(seed) {}

void Sampler::observe(absl::Span<const int32_t> tokens) {
  size_t window = size_t(std::max<int64_t>(options.repeatWindow, 0));
  if (window == 0 || options.repeatPenalty == 1)
    return;
  if (tokens.size() > window)
    tokens = tokens.subspan(tokens.size() - window);
  for (int32_t token : tokens) {
    if (recent.size() < window) {
      recent.push_back(token);
      continue;
    }
    recent[recentAt] = token;
    recentAt = (recentAt + 1) % window;
  }
}

absl::StatusOr<int32_t> Sampler::sample(absl::Span<const float> logits) {
  candidates.clear();
  candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == INFINITY)
      return formatError(
          {"", "logits", {}}, "numbers",
          absl::StrCat(logits[i], " for token ", i, " (the model's weights or code are damaged)"));
    candidates.push_back({logits[i], int32_t(i)});
  }
  penalizeRepeats();
  auto best = std::min_element(candidates.begin(), candidates.end(), isBefore<Candidate>);
  if (best == candidates.end() || best->weight == -INFINITY)
    return formatError({"", "logits", {}}, "a token that is possible", "none");

  int32_t chosen = best->id;
  if (options.temperature > 0 && options.topK != 1) {
    keepTopK();
    toProbabilities();
    keepTopP();
    keepMinP();
    chosen = draw();
  }
  observe({chosen});
  return chosen;
}

void Sampler::penalizeRepeats() {
  if (options.repeatPenalty == 1)
    return;
  std::vector<int32_t> unique(recent);
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  for (int32_t token : unique) {
    if (token < 0 || size_t(token) >= candidates.size())
      continue;
    double &logit = candidates[size_t(token)].weight;
    logit = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty;
  }
}

void Sampler::keepTopK() {
  size_t keep =
      options.topK > 0 ? std::min(size_t(options.topK), candidates.size()) : candidates.size();
  // Sorting a whole vocabulary for every token would cost more than a small model.
  std::nth_element(candidates.begin(), candidates.begin() + long(keep) - 1, candidates.end(),
                   isBefore<Candidate>);
  candidates.resize(keep);
  std::sort(candidates.begin(), candidates.end(), isBefore<Candidate>);
}

void Sampler::toProbabilities() {
  double largest = candidates.front().weight, sum = 0;
  for (Candidate &candidate : candidates) {
    candidate.weight = std::exp((candidate.weight - largest) / options.temperature);
    sum += candidate.weight;
  }
  for (Candidate &candidate : candidates)
    candidate.weight /= sum;
}

void Sampler::keepTopP() {
  double sum = 0;
  for (size_t i = 0; options.topP < 1 && i < candidates.size(); ++i) {
    sum += candidates[i].weight;
    if (sum >= options.topP) {
      candidates.resize(i + 1);
      return;
    }
  }
}

void Sampler::keepMinP() {
  double least = options.minP * candidates.front().weight;
  // Sorted, so those kept are the first ones; the most likely always is.
  while (candidates.back().weight < least)
    candidates.pop_back();
}

int32_t Sampler::draw() {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  double target = random.uniform() * sum;
  for (const Candidate &candidate : candidates) {
    target -= candidate.weight;
    if (target < 0)
      return candidate.id;
  }
  // Rounding may leave a crumb; tokens of probability 0 are never chosen.
  while (candidates.back().weight == 0)
    candidates.pop_back();
  return candidates.back().id;
}

} // namespace stc
