// What a server has done so far, for those who watch over it.
#ifndef STC_LIB_RUNTIME_SERVE_METRICS_H
#define STC_LIB_RUNTIME_SERVE_METRICS_H

#include "stc/Runtime/Generate.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace stc {

/// Any thread may call it.
class Metrics {
public:
  /// A request was answered; 499: its client had left by then.
  void countRequest(const std::string &path, int status);
  /// One that the model was asked, after so long.
  void countAnswer(double seconds);
  /// The first token of a text came so long after its request.
  void countFirstToken(double seconds);
  /// A text has ended.
  void countText(const GenerateResult &result, int64_t cachedTokens);
  /// Texts were embedded.
  void countEmbedding(int64_t tokens);

  /// As they are now.
  struct Gauges {
    size_t slots = 0, busy = 0, waiting = 0;
  };
  /// All in the text format of Prometheus.
  std::string text(const Gauges &gauges) const;

private:
  struct Seconds {
    int64_t count = 0;
    double sum = 0;
  };
  mutable std::mutex mutex;
  std::map<std::pair<std::string, int>, int64_t> requests;
  int64_t promptTokens = 0, cachedTokens = 0, completionTokens = 0;
  double promptSeconds = 0, decodeSeconds = 0;
  Seconds answers, firstTokens;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_METRICS_H
