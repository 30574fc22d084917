// Result<T>: a value or an Error, for everything that can fail without the program being wrong.
//
// It is a value type without a thread of its own. Reading the value of a failed result, or the
// error of a good one, is our own mistake and ends the program. Shaped like std::expected, which
// gcc 12 has in C++23 only, so that it can give way to it (docs/decisions/0002-own-result-type.md).
//
//   Result<Port> port = parse_port(text);
//   if (!port) return port.error();
//   listen(*port);
#pragma once

#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "common/error.h"

namespace pannier {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const noexcept { return state_.index() == 0; }
  bool has_value() const noexcept { return state_.index() == 0; }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T& value() & {
    if (T* held = std::get_if<0>(&state_)) return *held;
    std::abort();
  }
  const T& value() const& {
    if (const T* held = std::get_if<0>(&state_)) return *held;
    std::abort();
  }
  T&& value() && { return std::move(value()); }

  const Error& error() const {
    if (const Error* held = std::get_if<1>(&state_)) return *held;
    std::abort();
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const noexcept { return !error_.has_value(); }
  bool has_value() const noexcept { return !error_.has_value(); }

  const Error& error() const {
    if (error_) return *error_;
    std::abort();
  }

 private:
  std::optional<Error> error_;
};

}  // namespace pannier
