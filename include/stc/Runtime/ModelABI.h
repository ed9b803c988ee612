/* The boundary between generated code and the runtime: plain C, versioned. */
#ifndef STC_RUNTIME_MODELABI_H
#define STC_RUNTIME_MODELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STC_MODEL_ABI_VERSION 5
/* Most kernels of a GPU image beside stc_model_prefill that read a prompt of few tokens. */
#define STC_FEW_TOKEN_KERNELS 2

/* Everything a generated function reads and writes. All threads of a call get the same frame.
 * Pointers are 64-byte aligned, except tokens, features, hidden and logits (4). */
typedef struct StcFrame {
  const uint8_t *weights; /* the bundle's weights section */
  uint8_t *arena;         /* ModelSettings::arenaBytes of scratch, contents undefined */
  uint8_t *key_cache;     /* ModelSettings::keyCacheBytes, kept between calls */
  uint8_t *value_cache;   /* ModelSettings::valueCacheBytes, kept between calls */
  const int32_t *tokens;  /* [n_tokens] */
  int64_t n_tokens;
  int64_t position; /* position of tokens[0]; position + n_tokens <= maxContext */
  float *hidden;    /* prefill writes, score reads: [n_tokens][hiddenSize] after the last norm */
  float *logits;    /* decode writes [vocabSize], score writes [n_tokens][vocabSize] */
  void *sync;       /* handed to stc_rt_barrier */
  int64_t encoded;  /* positions that encode has left for the decoder's layers */
  const float *features; /* [n_tokens][columns], of models that read no tokens first; else null */
} StcFrame;

/* Every thread of the pool calls a generated function with its own `thread` in [0, threads). */
typedef void (*StcFunction)(const StcFrame *frame, int64_t thread, int64_t threads);

/* The model's functions as they were generated for one target. */
typedef struct StcVariant {
  const char *target;   /* as --target named it: "x86-64-v3" */
  const char *features; /* what the processor must have, comma separated: "avx2,fma" */
  /* An encoder has prefill, and score if it classifies; the others are null. One of images reads
   * features beside tokens. */
  StcFunction prefill, decode, score;
  /* Of an encoder-decoder, else null. encode reads the first text, or with features their rows:
   * then stem (else null) turns rows of features into rows of `hidden`, three neighbours of which
   * are a row of the features that encode reads, beside the positions as its tokens. */
  StcFunction encode, stem;
} StcVariant;

/* The model's functions as kernels for one kind of GPU: those of StcVariant's that there are, named
 * `stc_model_prefill` and so on, each with one parameter, an StcFrame by value whose pointers are the
 * device's. Every block runs what a thread of a CPU would; all blocks must be resident at once
 * (cooperative launch). frame.sync is 64 bytes of device memory, zero before the first launch.
 * In SPIR-V the parameter is a pointer to the frame in global memory, and frame.sync is zero before
 * every launch. */
typedef struct StcGpuImage {
  const char *target; /* as --target named it: "nvptx-sm_90" */
  const char *format; /* "ptx" (with a final NUL), "cubin", "fatbin" or "spirv" */
  const uint8_t *bytes;
  uint64_t size;
  uint64_t block_threads; /* threads of a block */
  uint64_t shared_bytes;  /* dynamic shared memory of a block */
  /* Ascending numbers N for which there is a kernel stc_model_prefill_N, for up to N tokens; 0: no
   * more of them. */
  uint64_t few_tokens[STC_FEW_TOKEN_KERNELS];
} StcGpuImage;

/* Generated: one variant per target, all for the same weights and caches, the best first. */
extern const StcVariant stc_model_variants[];
extern const uint64_t stc_model_variant_count;
extern const StcGpuImage stc_model_gpu_images[]; /* the best first */
extern const uint64_t stc_model_gpu_image_count; /* 0 where the model has none */
extern const uint64_t stc_model_fingerprint;
extern const uint32_t stc_model_abi_version;

/* Provided by the runtime: returns when all threads of the call have arrived. */
void stc_rt_barrier(void *sync);

#ifdef __cplusplus
}
#endif

#endif /* STC_RUNTIME_MODELABI_H */
