// Requests wait in line, have slots, and take turns.
#ifndef STC_LIB_RUNTIME_SERVE_SCHEDULER_H
#define STC_LIB_RUNTIME_SERVE_SCHEDULER_H

#include "Job.h"

#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

namespace stc {

/// Runs on a thread of its own. Each slot is the memory of one text. All texts that have slots take
/// turns, a token or a chunk of a prompt at a time, so that a long one does not keep a short one
/// waiting. Slots go to the requests that have the fewest, among equals to the one that came first.
class Scheduler {
public:
  /// `served` must outlive it. `mostWaiting`: requests without a slot.
  Scheduler(Served &served, std::vector<std::unique_ptr<TextMemory>> memories, size_t mostWaiting);
  /// Drops what waits, and what is being written: the clients should be gone.
  ~Scheduler();
  Scheduler(const Scheduler &) = delete;
  Scheduler &operator=(const Scheduler &) = delete;

  /// Takes a request, from any thread; false if as many wait as may.
  bool add(Arrival arrival);
  /// Refuses all that waits and that comes from now on, and ends what is being written, if
  /// `atOnce`.
  void end(bool atOnce);
  Metrics::Gauges gauges() const;

private:
  struct Entry {
    std::unique_ptr<Job> job;
    int running = 0;    // parts that have slots
    size_t started = 0; // parts that have one or had
  };
  struct Slot {
    std::unique_ptr<TextMemory> memory;
    uint64_t lastUse = 0; // 0: none
    Entry *entry = nullptr;
    std::unique_ptr<JobPart> part;
  };
  enum class Ending { Never, AfterTexts, AtOnce, Dropped };

  void run();
  bool waitForWork(std::deque<Arrival> &arrived, Ending &asked);
  void takeIn(Arrival arrival);
  void endJobs(Ending asked);
  void dropWaiting();
  void fillSlots();
  Slot *freeSlot(absl::Span<const int32_t> beginning);
  Entry *nextInLine();
  void takeTurns();
  void release(Slot &slot);
  void fail(Entry &entry, const absl::Status &status);
  void completeIfDone(Entry &entry);
  void erase(Entry &entry);
  void noLongerWaits(size_t count);

  Served &served;
  const size_t mostWaiting;
  std::vector<Slot> slots;  // for the thread alone, as the jobs are
  std::list<Entry> entries; // in the order they came
  uint64_t uses = 0;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Arrival> arrivals;
  size_t waiting = 0; // requests: arrivals, and entries of which no part was started
  size_t busy = 0;    // slots
  Ending ending = Ending::Never;
  std::thread worker; // the last: it uses all the others
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_SCHEDULER_H
