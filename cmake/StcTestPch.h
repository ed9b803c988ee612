// The precompiled header of unit tests: other projects' headers only, never our own.
#ifndef STC_CMAKE_STCTESTPCH_H
#define STC_CMAKE_STCTESTPCH_H

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#endif // STC_CMAKE_STCTESTPCH_H
