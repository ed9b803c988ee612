/* C interface to a compiled model. */
#ifndef STC_RUNTIME_CAPI_H
#define STC_RUNTIME_CAPI_H

#include <stddef.h>
#include <stdint.h>

/* Errors: a function that can fail returns NULL or a negative number and, when `error` is not NULL,
 * writes one line of at most `error_size` bytes with its terminating zero. 0 is success.
 *
 * Threads: calls on different models may run at the same time; calls on one model may not. */

#ifdef __cplusplus
extern "C" {
#endif

/* An open model and one text in it: the tokens it has read so far. */
typedef struct stc_model_t stc_model_t;

/* Opens the weights this code was compiled with. `weights_path` is the .weights file written beside
 * the library, `threads` the number of threads to compute with (0: all processors this process may
 * use). Checksums are compared, which reads the file once. The model runs on a GPU if it has code
 * for one that can, unless the environment variable STC_DEVICE says cpu, or which GPU: cuda, cuda:N,
 * hip or hip:N. */
stc_model_t *stc_model_open(const char *weights_path, int threads, char *error, size_t error_size);

/* Frees a model and ends its threads. NULL is allowed. */
void stc_model_close(stc_model_t *model);

/* The number of columns of a vector of stc_model_embed. */
int64_t stc_model_hidden_size(const stc_model_t *model);

/* The number of token ids, and the most tokens one text can have. */
int64_t stc_model_vocab_size(const stc_model_t *model);
int64_t stc_model_max_context(const stc_model_t *model);

/* Forgets the text. */
void stc_model_reset(stc_model_t *model);

/* Flags of stc_model_logits. */
enum {
  stc_model_all_positions = 1 /* logits after every token, not only after the last */
};

/* Appends `count` tokens to the text and writes the logits that follow: vocab_size floats, or count
 * times as many, row by row, with stc_model_all_positions. At least one token is needed. */
int stc_model_logits(stc_model_t *model, const int32_t *tokens, int64_t count, float *logits,
                     int flags, char *error, size_t error_size);

/* How stc_model_generate chooses tokens. Zero in every field is greedy decoding of no tokens. */
typedef struct stc_model_sampling_t {
  int64_t max_tokens;
  double temperature;    /* 0: always the most likely token */
  int64_t top_k;         /* among the k most likely; 0: all */
  double top_p;          /* among the fewest whose probabilities sum to p; 0 or 1: all */
  double min_p;          /* none less than p times as likely as the best; 0: all */
  double repeat_penalty; /* divides the logits of the last 64 tokens; 0 or 1: none */
  uint64_t seed;         /* the same seed chooses the same tokens */
  int ignore_eos;        /* not 0: go on after an end-of-text token */
} stc_model_sampling_t;

/* Called for every generated token with its text (not zero-terminated; it may hold part of a
 * character and is empty without a tokenizer). Anything but 0 ends the generation. */
typedef int (*stc_model_callback_t)(void *user, int32_t token, const char *text, size_t size);

/* Appends `count` tokens to the text, then tokens that the model chooses, until max_tokens, an end
 * of text, the end of the context or the callback's wish. Returns the number generated. The last
 * one generated is not part of the text yet: to go on, pass it before new tokens. */
int64_t stc_model_generate(stc_model_t *model, const int32_t *tokens, int64_t count,
                           const stc_model_sampling_t *sampling, stc_model_callback_t callback,
                           void *user, char *error, size_t error_size);

/* Reads `count` tokens, at least one, as a text of its own and writes its vector: hidden_size
 * floats, pooled and scaled as the model's checkpoint says. Only encoders have vectors; they have
 * no logits and generate nothing. */
int stc_model_embed(stc_model_t *model, const int32_t *tokens, int64_t count, float *vector,
                    char *error, size_t error_size);

/* Images, which vision transformers read. What one shows is made into pixels first, then these into
 * a vector or into the logits of labels. */

/* The numbers of an image's pixels, 3 * height * width; 0 for a model that reads no images. */
int64_t stc_model_pixel_count(const stc_model_t *model);

/* Reads a PNG, JPEG or binary PPM file in memory (`size` bytes), scales and normalizes it as the
 * model's checkpoint says, and writes pixel_count floats, [3][height][width]. */
int stc_model_read_image(const stc_model_t *model, const uint8_t *file, size_t size, float *pixels,
                         char *error, size_t error_size);

/* Writes the vector of an image's pixels: hidden_size floats, the state of its CLS token unless the
 * model's checkpoint says otherwise. */
int stc_model_embed_pixels(stc_model_t *model, const float *pixels, float *vector, char *error,
                           size_t error_size);

/* The number of labels that images are classified by, 0 for a model without such a head; and the
 * name of one (NULL beyond them), which is the model's. */
int64_t stc_model_label_count(const stc_model_t *model);
const char *stc_model_label(const stc_model_t *model, int64_t label);

/* Writes the logit of every label for an image's pixels: label_count floats. Their softmax are
 * probabilities of labels that exclude each other. */
int stc_model_classify_pixels(stc_model_t *model, const float *pixels, float *logits, char *error,
                              size_t error_size);

/* Writes at most `capacity` ids of `text` (`size` bytes) and returns how many there are, which may
 * be more. With `add_special`, tokens that mark the beginning or end of a text are added as the
 * model expects them. */
int64_t stc_model_tokenize(const stc_model_t *model, const char *text, size_t size, int add_special,
                           int32_t *tokens, int64_t capacity, char *error, size_t error_size);

/* Writes at most `capacity` bytes of the text of `tokens` and returns how many there are, which may
 * be more. The text is not zero-terminated. */
int64_t stc_model_detokenize(const stc_model_t *model, const int32_t *tokens, int64_t count,
                             char *text, size_t capacity, char *error, size_t error_size);

/* What a generated text must follow and where it ends. `size` is sizeof(stc_model_constraint_t):
 * later versions add fields behind the last one, and take those that a caller does not have for
 * zero. Zero in all others asks for nothing. */
typedef struct stc_model_constraint_t {
  size_t size;
  const char *const
      *stop; /* the text ends before the first of these `stop_count` texts that comes */
  int64_t stop_count;
  const char *grammar;       /* the text is one of this grammar (GBNF); NULL: any */
  const char *json_schema;   /* it is JSON of this schema, "{}" for any; not with `grammar` */
  const int32_t *end_tokens; /* `end_count` tokens that end the text as an end of text does */
  int64_t end_count;
} stc_model_constraint_t;

/* stc_model_generate under a constraint, which may be NULL. With stop texts the callback gets text
 * once it is known to come before one of them: what was held back to the end comes with token -1.
 * A grammar needs a tokenizer; the text it is of begins with the first token generated. */
int64_t stc_model_generate_constrained(stc_model_t *model, const int32_t *tokens, int64_t count,
                                       const stc_model_sampling_t *sampling,
                                       const stc_model_constraint_t *constraint,
                                       stc_model_callback_t callback, void *user, char *error,
                                       size_t error_size);

/* One turn of a conversation, zero-terminated: `role` is "system", "user" or "assistant". */
typedef struct stc_model_message_t {
  const char *role;
  const char *content;
} stc_model_message_t;

/* Writes at most `capacity` ids of a conversation, as the model's chat template has it and with
 * what begins the model's answer, and returns how many there are, which may be more. A new text is
 * to be begun with them. `end_of_turn`, if not NULL, gets the token that ends an answer, for
 * stc_model_constraint_t; -1 where the model's end of text does. */
int64_t stc_model_chat_tokens(const stc_model_t *model, const stc_model_message_t *messages,
                              int64_t count, int32_t *tokens, int64_t capacity,
                              int32_t *end_of_turn, char *error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif /* STC_RUNTIME_CAPI_H */
