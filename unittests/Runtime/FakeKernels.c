// The fake model's functions as kernels, to be translated to PTX: the arithmetic of FakeFunctions.h
// in whole numbers, by blocks instead of threads.
#include "stc/Runtime/ModelABI.h"

enum { hiddenSize = 4, vocabSize = 264, featureSize = 2 };

#define KERNEL __attribute__((device_kernel, visibility("default")))

static uint32_t thread(void) {
  return __nvvm_read_ptx_sreg_ctaid_x() * __nvvm_read_ptx_sreg_ntid_x() +
         __nvvm_read_ptx_sreg_tid_x();
}
static uint32_t threads(void) {
  return __nvvm_read_ptx_sreg_nctaid_x() * __nvvm_read_ptx_sreg_ntid_x();
}

// Waits for all blocks. Every block adds one but the first, which adds what makes the sum 2^31: the
// highest bit turns over when all have come, and the others are zero again, whatever the number of
// blocks of the next launch is.
static void barrier(void *sync) {
  uint32_t *counter = sync, blocks = __nvvm_read_ptx_sreg_nctaid_x();
  __syncthreads();
  if (__nvvm_read_ptx_sreg_tid_x() == 0) {
    uint32_t mine = __nvvm_read_ptx_sreg_ctaid_x() == 0 ? 0x80000000u - (blocks - 1) : 1;
    __nvvm_membar_gl();
    uint32_t old = __atomic_fetch_add(counter, mine, __ATOMIC_ACQ_REL);
    while (((old ^ __atomic_load_n(counter, __ATOMIC_ACQUIRE)) & 0x80000000u) == 0) {
    }
    __nvvm_membar_gl();
  }
  __syncthreads();
}

static float sumRow(const StcFrame *frame, int64_t row, int32_t columns, int32_t offset) {
  int32_t sum = 0;
  for (int32_t c = 0; c < 3 * columns; ++c)
    sum += (int32_t)frame->features[row * 3 * columns + c] * (c + 1 + offset);
  return (float)(sum % 97);
}

static float readRow(const StcFrame *frame, int64_t row) {
  return frame->features ? sumRow(frame, row, hiddenSize, 0) : 0;
}

static void readTokens(const StcFrame *frame, float *hidden) {
  float *seen = (float *)frame->key_cache;
  for (int64_t i = thread(); i < frame->n_tokens; i += threads())
    seen[frame->position + i] = (float)(frame->tokens[i] + 1) + readRow(frame, i);
  barrier(frame->sync);
  for (int64_t i = thread(); i < frame->n_tokens * hiddenSize; i += threads()) {
    int32_t sum = 0, h = (int32_t)(i % hiddenSize);
    for (int64_t p = 0; p <= frame->position + i / hiddenSize; ++p)
      sum += (int32_t)seen[p] * (int32_t)((p + 1) * (h + 3)) % 97;
    for (int64_t e = 0; e < frame->encoded; ++e)
      sum += (int32_t)((const float *)frame->value_cache)[e] * (int32_t)((e + 1) * (h + 5)) % 97;
    hidden[i] = (float)sum;
  }
  barrier(frame->sync);
}

static void writeLogits(const StcFrame *frame, const float *hidden) {
  for (int64_t at = thread(); at < frame->n_tokens * vocabSize; at += threads()) {
    int32_t v = (int32_t)(at % vocabSize), sum = frame->weights[v];
    for (int32_t h = 0; h < hiddenSize; ++h)
      sum += (int32_t)hidden[at / vocabSize * hiddenSize + h] * (v + 1 + h);
    frame->logits[at] = (float)(sum % 101) / 8;
  }
}

KERNEL void stc_model_prefill(StcFrame frame) { readTokens(&frame, frame.hidden); }

KERNEL void stc_model_decode(StcFrame frame) {
  float *hidden = (float *)frame.arena;
  readTokens(&frame, hidden);
  writeLogits(&frame, hidden);
}

KERNEL void stc_model_score(StcFrame frame) { writeLogits(&frame, frame.hidden); }

KERNEL void stc_model_stem(StcFrame frame) {
  for (int64_t i = thread(); i < frame.n_tokens * hiddenSize; i += threads())
    frame.hidden[i] = sumRow(&frame, i / hiddenSize, featureSize, (int32_t)(i % hiddenSize));
}

KERNEL void stc_model_encode(StcFrame frame) {
  for (int64_t i = thread(); i < frame.n_tokens; i += threads())
    ((float *)frame.value_cache)[i] = (float)(frame.tokens[i] + 1) + readRow(&frame, i);
}
