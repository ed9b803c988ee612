// The fake model's functions: what the compiler would generate, small enough to check by hand.
//
// They remember (token + 1) per position in the key cache, sum what they have seen into the hidden
// state, and mix that with one weight byte per vocabulary entry. All values are small integers, so
// results are exact whatever the order of the sums. As an encoder-decoder they sum what `encode`
// left in the value cache too: tokens, or rows of features behind a stem. FakeKernels.c is the same
// for a GPU.
#ifndef STC_UNITTESTS_RUNTIME_FAKEFUNCTIONS_H
#define STC_UNITTESTS_RUNTIME_FAKEFUNCTIONS_H

#include "stc/Runtime/ModelABI.h"

#include <cmath>

namespace stc::test {

constexpr int64_t hiddenSize = 4, vocabSize = 264, featureSize = 2;

inline float *seen(const StcFrame *frame) { return reinterpret_cast<float *>(frame->key_cache); }

inline float *heard(const StcFrame *frame) { return reinterpret_cast<float *>(frame->value_cache); }

/// The sum of the numbers of a row of unfolded features, each times its place.
inline float sumRow(const StcFrame *frame, int64_t row, int64_t columns, int64_t offset) {
  float sum = 0;
  for (int64_t c = 0; c < 3 * columns; ++c)
    sum += frame->features[row * 3 * columns + c] * float(c + 1 + offset);
  return std::fmod(sum, 97);
}

/// What `prefill` and `encode` add to a token of the features that are read beside it.
inline float readRow(const StcFrame *frame, int64_t row) {
  return frame->features ? sumRow(frame, row, hiddenSize, /*offset=*/0) : 0;
}

inline void readTokens(const StcFrame *frame, float *hidden, int64_t thread, int64_t threads) {
  for (int64_t i = thread; i < frame->n_tokens; i += threads)
    seen(frame)[frame->position + i] = float(frame->tokens[i] + 1) + readRow(frame, i);
  stc_rt_barrier(frame->sync);
  for (int64_t i = thread; i < frame->n_tokens; i += threads) {
    for (int64_t h = 0; h < hiddenSize; ++h) {
      float sum = 0;
      for (int64_t p = 0; p <= frame->position + i; ++p)
        sum += std::fmod(seen(frame)[p] * float((p + 1) * (h + 3)), 97);
      for (int64_t e = 0; e < frame->encoded; ++e)
        sum += std::fmod(heard(frame)[e] * float((e + 1) * (h + 5)), 97);
      hidden[i * hiddenSize + h] = sum;
    }
  }
  stc_rt_barrier(frame->sync);
}

inline void writeLogits(const StcFrame *frame, const float *hidden, int64_t thread,
                        int64_t threads) {
  for (int64_t v = thread; v < vocabSize; v += threads) {
    for (int64_t i = 0; i < frame->n_tokens; ++i) {
      float sum = frame->weights[v];
      for (int64_t h = 0; h < hiddenSize; ++h)
        sum += hidden[i * hiddenSize + h] * float(v + 1 + h);
      frame->logits[i * vocabSize + v] = std::fmod(sum, 101) / 8;
    }
  }
}

inline void prefill(const StcFrame *frame, int64_t thread, int64_t threads) {
  readTokens(frame, frame->hidden, thread, threads);
}

inline void decode(const StcFrame *frame, int64_t thread, int64_t threads) {
  float *hidden = reinterpret_cast<float *>(frame->arena);
  readTokens(frame, hidden, thread, threads);
  writeLogits(frame, hidden, thread, threads);
}

inline void score(const StcFrame *frame, int64_t thread, int64_t threads) {
  writeLogits(frame, frame->hidden, thread, threads);
}

inline void stem(const StcFrame *frame, int64_t thread, int64_t threads) {
  for (int64_t i = thread; i < frame->n_tokens * hiddenSize; i += threads)
    frame->hidden[i] = sumRow(frame, i / hiddenSize, featureSize, i % hiddenSize);
}

inline void encode(const StcFrame *frame, int64_t thread, int64_t threads) {
  for (int64_t i = thread; i < frame->n_tokens; i += threads)
    heard(frame)[i] = float(frame->tokens[i] + 1) + readRow(frame, i);
}

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKEFUNCTIONS_H
