// Table: a field table, the named and typed values that AMQP clients attach to messages, queues and
// bindings (AMQP 0-9-1, 4.2.5.5, with RabbitMQ's type letters). Also how headers are kept on disk.
//
// Keys keep the order in which they came; a key that comes twice counts once, the last one. decode
// checks lengths, depth and count against named limits and answers bad_syntax; it neither throws
// nor reads past the end. A value type; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"

namespace pannier::queue {

inline constexpr std::size_t kTableDepthMax = 64;
inline constexpr std::size_t kTableFieldsMax = 65'536;  // in all levels together

struct Value;
struct Field;

class Table {
 public:
  const Value* find(std::string_view key) const;
  void set(std::string key, Value value);
  void erase(std::string_view key);
  bool empty() const;
  std::size_t size() const;
  const std::vector<Field>& fields() const { return fields_; }

  // With the long that counts the bytes in front, as it stands on the wire.
  void encode(ByteWriter& out) const;
  static Result<Table> decode(ByteReader& in);

  // The same keys with the same values, in any order.
  bool operator==(const Table& other) const;

 private:
  friend class TableDecoder;
  std::vector<Field> fields_;
};

struct Decimal {
  std::uint8_t scale = 0;
  std::int32_t value = 0;
  bool operator==(const Decimal&) const = default;
};
struct Timestamp {
  std::uint64_t seconds = 0;
  bool operator==(const Timestamp&) const = default;
};
struct ByteArray {
  Bytes bytes;
  bool operator==(const ByteArray&) const = default;
};
struct Array {
  std::vector<Value> values;
  bool operator==(const Array& other) const;
};

// Each C++ type stands for one letter of the wire, so that a value goes out as it came in.
struct Value {
  using Held = std::variant<std::monostate,  // V void
                            bool,            // t
                            std::int8_t,     // b
                            std::uint8_t,    // B
                            std::int16_t,    // s
                            std::uint16_t,   // u
                            std::int32_t,    // I
                            std::uint32_t,   // i
                            std::int64_t,    // l (and L)
                            float,           // f
                            double,          // d
                            Decimal,         // D
                            std::string,     // S
                            ByteArray,       // x
                            Timestamp,       // T
                            Array,           // A
                            Table>;          // F
  Held held;

  Value() = default;
  template <typename T>
  requires(!std::is_same_v<std::decay_t<T>, Value> && std::is_constructible_v<Held, T>)
      Value(T&& value)
      : held(std::forward<T>(value)) {}

  // Any of the integer types, if it fits.
  std::optional<std::int64_t> as_integer() const;
  const std::string* as_text() const { return std::get_if<std::string>(&held); }
  const bool* as_bool() const { return std::get_if<bool>(&held); }
  const Table* as_table() const { return std::get_if<Table>(&held); }
  const Array* as_array() const { return std::get_if<Array>(&held); }

  // Numbers of different types are equal when their values are, as RabbitMQ compares arguments.
  bool operator==(const Value& other) const;
};

struct Field {
  std::string key;
  Value value;
};

inline bool Table::empty() const { return fields_.empty(); }
inline std::size_t Table::size() const { return fields_.size(); }
inline bool Array::operator==(const Array& other) const { return values == other.values; }

}  // namespace pannier::queue
