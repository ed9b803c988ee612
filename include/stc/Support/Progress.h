// Progress of long work: a bar on a terminal, plain lines otherwise, nothing when quiet.
#ifndef STC_SUPPORT_PROGRESS_H
#define STC_SUPPORT_PROGRESS_H

#include "absl/strings/string_view.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace stc {

/// Reports one task of `total` units on stderr, with the time left once it can be estimated.
class Progress {
public:
  enum class Mode { Auto, Quiet };
  Progress(std::string task, uint64_t total, Mode mode = Mode::Auto);
  ~Progress();
  /// Adds `units` done; `detail` is shown beside the bar.
  void advance(uint64_t units, absl::string_view detail = "");
  void finish();

private:
  void draw(absl::string_view detail, bool last);
  std::string task;
  uint64_t total, done = 0;
  bool quiet, terminal, finished = false;
  std::chrono::steady_clock::time_point start, lastDraw;
};

} // namespace stc

#endif // STC_SUPPORT_PROGRESS_H
