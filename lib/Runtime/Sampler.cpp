// Choosing the next token: biases, penalties, temperature, top-k, top-p, min-p, and one random
// number.
#include "stc/Runtime/Sampler.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <sys/random.h>
#include <unistd.h>

namespace stc {

namespace {

/// Whether every logit is a number or minus infinity (a token that cannot be).
bool areValid(absl::Span<const float> logits) {
  bool valid = true;
  for (float logit : logits)
    valid &= logit < INFINITY;
  return valid;
}

/// The largest number; minus infinity of none. No number may be NaN. Several at once: compilers
/// make no vectors of a search for the place of the largest.
float largestOf(absl::Span<const float> numbers) {
  constexpr size_t lanes = 32;
  float best[lanes];
  std::fill(best, best + lanes, -INFINITY);
  size_t i = 0;
  for (; i + lanes <= numbers.size(); i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      best[lane] = numbers[i + lane] > best[lane] ? numbers[i + lane] : best[lane];
  float largest = *std::max_element(best, best + lanes);
  for (; i < numbers.size(); ++i)
    largest = std::max(largest, numbers[i]);
  return largest;
}

constexpr size_t stretch = 256;

/// The place of the largest number, of equal ones the first; 0 of none.
size_t placeOfLargest(absl::Span<const float> numbers) {
  float best = -INFINITY;
  size_t where = 0;
  for (size_t begin = 0; begin < numbers.size(); begin += stretch)
    if (float largest = largestOf(numbers.subspan(begin, stretch)); largest > best) {
      best = largest;
      where = begin;
    }
  while (where < numbers.size() && numbers[where] < best)
    ++where;
  return where;
}

absl::Status describeInvalid(absl::Span<const float> logits) {
  size_t at = 0;
  while (logits[at] < INFINITY)
    ++at;
  return formatError(
      {"", "logits", {}}, "numbers",
      absl::StrCat(logits[at], " for token ", at, " (the model's weights or code are damaged)"));
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
  if (!areValid(logits))
    return describeInvalid(logits);
  scores.assign(logits.begin(), logits.end());
  addBiases();
  penalizeRepeats();
  penalizeChosen();
  size_t best = placeOfLargest(scores);
  if (best == scores.size() || scores[best] == -INFINITY)
    return formatError({"", "logits", {}}, "a token that is possible", "none");

  auto chosen = int32_t(best);
  if (options.temperature > 0 && options.topK != 1) {
    collectTopK();
    toProbabilities();
    keepTopP();
    keepMinP();
    chosen = draw();
  }
  observe({chosen});
  if (options.presencePenalty != 0 || options.frequencyPenalty != 0)
    ++chosenTimes[chosen];
  return chosen;
}

void Sampler::addBiases() {
  for (const auto &[token, bias] : options.biases)
    if (token >= 0 && size_t(token) < scores.size())
      scores[size_t(token)] = float(scores[size_t(token)] + bias);
}

void Sampler::penalizeRepeats() {
  if (options.repeatPenalty == 1)
    return;
  std::vector<int32_t> unique(recent);
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  for (int32_t token : unique) {
    if (token < 0 || size_t(token) >= scores.size())
      continue;
    float &score = scores[size_t(token)];
    double penalized = score > 0 ? score / options.repeatPenalty : score * options.repeatPenalty;
    score = float(penalized);
  }
}

void Sampler::penalizeChosen() {
  for (const auto &[token, times] : chosenTimes) {
    float &score = scores[size_t(token)];
    score = float(score - options.presencePenalty - options.frequencyPenalty * double(times));
  }
}

void Sampler::collectTopK() {
  size_t keep = options.topK > 0 ? std::min(size_t(options.topK), scores.size()) : scores.size();
  candidates.clear();
  for (size_t i = 0; i < keep; ++i)
    candidates.push_back({scores[i], int32_t(i)});
  if (keep == scores.size()) {
    std::sort(candidates.begin(), candidates.end());
    return;
  }
  // A heap whose front is the least likely of the best so far: one comparison for nearly every
  // token of a large vocabulary, where sorting would cost more than a small model, and one for
  // every stretch without a better one.
  std::make_heap(candidates.begin(), candidates.end());
  float least = float(candidates.front().weight);
  auto all = absl::MakeConstSpan(scores);
  for (size_t begin = keep; begin < all.size(); begin += stretch) {
    if (largestOf(all.subspan(begin, stretch)) <= least)
      continue;
    for (size_t i = begin; i < std::min(begin + stretch, all.size()); ++i) {
      if (all[i] <= least) // an equal one has the higher id
        continue;
      std::pop_heap(candidates.begin(), candidates.end());
      candidates.back() = {all[i], int32_t(i)};
      std::push_heap(candidates.begin(), candidates.end());
      least = float(candidates.front().weight);
    }
  }
  std::sort_heap(candidates.begin(), candidates.end());
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

uint64_t randomSeed() {
  uint32_t seed = 0;
  if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != ssize_t(sizeof(seed)))
    seed = uint32_t(getpid());
  return seed;
}

} // namespace stc
