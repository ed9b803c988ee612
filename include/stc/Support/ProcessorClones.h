// Functions in a form for each generation of processors, chosen when the program starts. What the
// processor has decides how fast they are and nothing about their results.
#ifndef STC_SUPPORT_PROCESSORCLONES_H
#define STC_SUPPORT_PROCESSORCLONES_H

/// In front of a function (no template) whose loops take most of the time of some work. It takes
/// what it calls with it where that is STC_ALWAYS_INLINE. Sanitizers cannot choose before they have
/// started.
#if defined(__x86_64__) && !__has_feature(address_sanitizer) &&                                    \
    !__has_feature(thread_sanitizer) && !__has_feature(memory_sanitizer)
#define STC_PROCESSOR_CLONES                                                                       \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define STC_PROCESSOR_CLONES
#endif
/// In place of `inline`.
#define STC_ALWAYS_INLINE __attribute__((always_inline)) inline

#endif // STC_SUPPORT_PROCESSORCLONES_H
