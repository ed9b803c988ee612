/* What code for `--target simt` calls: the threads of a GPU's blocks, simulated. Plain C. */
#ifndef STC_RUNTIME_SIMT_H
#define STC_RUNTIME_SIMT_H

#include "stc/Runtime/ModelABI.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel as every thread of every block runs it. */
typedef void (*StcSimtKernel)(const StcFrame *frame);

/* Runs block number `block` of `blocks` on the calling thread of the pool: `threads` fibers that
 * switch where threads of a GPU wait for each other, and `shared_bytes` of memory of the block,
 * 128-byte aligned, all bits set at first. `warp_threads` divides `threads`.
 *
 * The variable STC_SIMT_ORDER chooses in which order fibers run between two barriers: "ascending"
 * (the default), "descending", or a number that seeds a different order each time. Results that
 * depend on it show a barrier that is missing.
 *
 * Where threads can never go on, because they wait at different places or some have returned, a
 * line on stderr says who waits where, and the process aborts. */
void stc_simt_run_block(StcSimtKernel kernel, const StcFrame *frame, int64_t block, int64_t blocks,
                        int32_t threads, int32_t warp_threads, int64_t shared_bytes);

/* The rest is called by kernels only. Within one call of a kernel, these four do not change. */
int32_t stc_simt_thread(void);
int64_t stc_simt_block(void);
int64_t stc_simt_blocks(void);
uint8_t *stc_simt_shared(void);

/* Waits for all threads of the block. `place` is the number of the barrier in the module, by which
 * its threads are checked to be at the same one. */
void stc_simt_barrier(int32_t place);

/* The same for some: `threads` of the block that wait at barrier `number`, from 1 to 15. */
void stc_simt_named_barrier(int32_t number, int32_t threads, int32_t place);

/* Waits for all threads of the warp: those of the simulation run in no lockstep. */
void stc_simt_warp_barrier(int32_t place);

/* Waits for all threads of the warp, and returns the `value` of the one whose number differs by
 * `mask`, which must be the same for all. `place` is as above. */
int32_t stc_simt_shuffle_xor(int32_t value, int32_t mask, int32_t place);

/* The matrix multiplications of tensor cores, by all lanes of a warp of 32: sums += a * b with `a`
 * 16 rows, `b` 8 columns, and 32 columns of `a` (bytes) or 16 (bf16, f16). What of them is in which
 * lane's registers is as in PTX's mma.sync.m16n8k32 and m16n8k16. Sums of integers wrap around. */
void stc_simt_mma_int8(int32_t sums[4], const int32_t a[4], const int32_t b[2], int32_t a_signed,
                       int32_t b_signed, int32_t place);
void stc_simt_mma_bf16(float sums[4], const int32_t a[4], const int32_t b[2], int32_t place);
void stc_simt_mma_f16(float sums[4], const int32_t a[4], const int32_t b[2], int32_t place);

/* The same of signed bytes with `a` 16 rows of 64 columns, of each four of which two are stored, as
 * PTX's mma.sp.m16n8k64 has them. `places` are the lane's share of where those two are, in two bits
 * each; the first is less than the second. */
void stc_simt_mma_sparse_int8(int32_t sums[4], const int32_t a[4], const int32_t b[4],
                              int32_t places, int32_t place);
/* Those of bf16 and f16 with 32 columns, as PTX's mma.sp.m16n8k32 has them. The places are those of
 * lanes 2 * pair and 2 * pair + 1 of each four. */
void stc_simt_mma_sparse_bf16(float sums[4], const int32_t a[4], const int32_t b[4], int32_t places,
                              int32_t pair, int32_t place);
void stc_simt_mma_sparse_f16(float sums[4], const int32_t a[4], const int32_t b[4], int32_t places,
                             int32_t pair, int32_t place);

/* Loads `count` matrices of 8 rows of 16 bytes, by all lanes of a warp of 32, as PTX's ldmatrix of
 * 16-bit numbers: lane 8 i + r says where row r of matrix i lies. */
void stc_simt_load_matrices(int32_t words[4], const void *row, int32_t count, int32_t is_transposed,
                            int32_t place);

/* Copies that a thread starts and waits for: those before its last `groups` commits are done when
 * `wait` returns. The order of fibers also says when they happen: as late as they may (ascending),
 * at once (descending), or now so and now so. A thread must not return with any under way. */
void stc_simt_copy_async(void *to, const void *from, int32_t bytes);
void stc_simt_copy_commit(void);
void stc_simt_copy_wait(int32_t groups);

/* Both rounded to bf16, to nearest even; `low` in the lower 16 bits. */
int32_t stc_simt_pair_bf16(float high, float low);

#ifdef __cplusplus
}
#endif

#endif /* STC_RUNTIME_SIMT_H */
