// Progress of long work: a bar on a terminal, plain lines otherwise, nothing when quiet.
#include "stc/Support/Progress.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace stc {

namespace {

std::string duration(double seconds) {
  char text[48];
  if (seconds < 60)
    std::snprintf(text, sizeof(text), "%.1f s", seconds);
  else
    std::snprintf(text, sizeof(text), "%lld min %02d s", (long long)(seconds / 60),
                  int(std::fmod(seconds, 60)));
  return text;
}

size_t terminalColumns() {
  struct winsize window;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20)
    return window.ws_col;
  return 80;
}

} // namespace

Progress::Progress(std::string task, uint64_t total, Mode mode)
    : task(std::move(task)), total(total), quiet(mode == Mode::Quiet),
      terminal(isatty(STDERR_FILENO) == 1), start(std::chrono::steady_clock::now()),
      lastDraw(start) {}

Progress::~Progress() {
  // Work that ended early must not leave half a bar in front of the error message.
  if (!quiet && terminal && !finished)
    std::fputs("\r\x1b[K", stderr);
}

void Progress::advance(uint64_t units, absl::string_view detail) {
  done = std::min(total, done + units);
  // A bar is redrawn often; a log gets a line now and then.
  auto interval = std::chrono::milliseconds(terminal ? 100 : 5000);
  auto now = std::chrono::steady_clock::now();
  if (quiet || finished || now - lastDraw < interval)
    return;
  lastDraw = now;
  draw(detail, /*last=*/false);
}

void Progress::finish() {
  if (finished)
    return;
  finished = true;
  done = total;
  if (!quiet)
    draw("", /*last=*/true);
}

void Progress::draw(absl::string_view detail, bool last) {
  double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (last) {
    std::fprintf(stderr, "%s%s: %s\n", terminal ? "\r\x1b[K" : "", task.c_str(),
                 duration(elapsed).c_str());
    return;
  }
  double fraction = total ? double(done) / double(total) : 1;
  std::string line = absl::StrCat(task, ": ", int(fraction * 100), " %");
  if (fraction > 0.02 && elapsed > 1)
    absl::StrAppend(&line, ", ", duration(elapsed / fraction - elapsed), " left");
  if (!detail.empty())
    absl::StrAppend(&line, ", ", printable(detail));
  if (!terminal) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  constexpr size_t barWidth = 24;
  size_t filled = size_t(fraction * barWidth);
  line =
      absl::StrCat("[", std::string(filled, '#'), std::string(barWidth - filled, ' '), "] ", line);
  line = line.substr(0, terminalColumns() - 1);
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
}

} // namespace stc
