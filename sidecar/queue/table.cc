#include "sidecar/queue/table.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace pannier::queue {
namespace {

Error malformed(const char* what) {
  return {Errc::bad_syntax, std::string("field table: ") + what};
}

template <typename T>
T to_signed(std::make_unsigned_t<T> value) {
  return static_cast<T>(value);
}

}  // namespace

const Value* Table::find(std::string_view key) const {
  for (const Field& field : fields_)
    if (field.key == key) return &field.value;
  return nullptr;
}

void Table::set(std::string key, Value value) {
  for (Field& field : fields_)
    if (field.key == key) {
      field.value = std::move(value);
      return;
    }
  fields_.push_back({std::move(key), std::move(value)});
}

void Table::erase(std::string_view key) {
  std::erase_if(fields_, [key](const Field& field) { return field.key == key; });
}

bool Table::operator==(const Table& other) const {
  return fields_.size() == other.fields_.size() &&
         std::all_of(fields_.begin(), fields_.end(), [&](const Field& field) {
           const Value* value = other.find(field.key);
           return value != nullptr && *value == field.value;
         });
}

std::optional<std::int64_t> Value::as_integer() const {
  return std::visit(
      [](const auto& value) -> std::optional<std::int64_t> {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return value;
        return {};
      },
      held);
}

bool Value::operator==(const Value& other) const {
  const auto mine = as_integer();
  const auto theirs = other.as_integer();
  if (mine || theirs) return mine == theirs;
  return held == other.held;
}

namespace {

class ValueEncoder {
 public:
  explicit ValueEncoder(ByteWriter& out) : out_(out) {}

  void operator()(std::monostate) { letter('V'); }
  void operator()(bool value) {
    letter('t');
    out_.u8(value ? 1 : 0);
  }
  void operator()(std::int8_t value) {
    letter('b');
    out_.u8(static_cast<std::uint8_t>(value));
  }
  void operator()(std::uint8_t value) {
    letter('B');
    out_.u8(value);
  }
  void operator()(std::int16_t value) { number('s', static_cast<std::uint16_t>(value)); }
  void operator()(std::uint16_t value) { number('u', value); }
  void operator()(std::int32_t value) { number('I', static_cast<std::uint32_t>(value)); }
  void operator()(std::uint32_t value) { number('i', value); }
  void operator()(std::int64_t value) { number('l', static_cast<std::uint64_t>(value)); }
  void operator()(float value) { number('f', std::bit_cast<std::uint32_t>(value)); }
  void operator()(double value) { number('d', std::bit_cast<std::uint64_t>(value)); }
  void operator()(const Decimal& value) {
    letter('D');
    out_.u8(value.scale);
    out_.be(static_cast<std::uint32_t>(value.value));
  }
  void operator()(const std::string& value) { bytes('S', as_bytes(value)); }
  void operator()(const ByteArray& value) { bytes('x', value.bytes); }
  void operator()(const Timestamp& value) { number('T', value.seconds); }
  void operator()(const Array& value) {
    Bytes inner;
    ByteWriter writer(inner);
    for (const Value& each : value.values) std::visit(ValueEncoder(writer), each.held);
    bytes('A', inner);
  }
  void operator()(const Table& value) {
    letter('F');
    value.encode(out_);
  }

 private:
  void letter(char type) { out_.u8(static_cast<std::uint8_t>(type)); }
  template <typename T>
  void number(char type, T value) {
    letter(type);
    out_.be(value);
  }
  void bytes(char type, ByteView value) {
    letter(type);
    out_.be(static_cast<std::uint32_t>(value.size()));
    out_.bytes(value);
  }

  ByteWriter& out_;
};

}  // namespace

void Table::encode(ByteWriter& out) const {
  Bytes inner;
  ByteWriter writer(inner);
  for (const Field& field : fields_) {
    writer.u8(static_cast<std::uint8_t>(field.key.size()));
    writer.bytes(as_bytes(field.key));
    std::visit(ValueEncoder(writer), field.value.held);
  }
  out.be(static_cast<std::uint32_t>(inner.size()));
  out.bytes(inner);
}

class TableDecoder {
 public:
  Result<Table> table(ByteReader& in) {
    if (++depth_ > kTableDepthMax) return malformed("nested too deeply");
    const auto size = in.be<std::uint32_t>();
    ByteReader inner(in.bytes(size));
    if (!in.ok()) return malformed("cut short");
    Table table;
    while (inner.left() > 0) {
      const auto key_size = inner.u8();
      std::string key(as_text(inner.bytes(key_size)));
      auto decoded = value(inner);
      if (!decoded) return decoded.error();
      if (!inner.ok()) return malformed("cut short");
      table.fields_.push_back({std::move(key), std::move(*decoded)});
    }
    if (!inner.ok()) return malformed("cut short");
    drop_repeated(table);
    --depth_;
    return table;
  }

 private:
  // Of a key that came twice the last counts. Sorting keeps it cheap for hostile tables.
  static void drop_repeated(Table& table) {
    auto& fields = table.fields_;
    std::vector<std::size_t> order(fields.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return fields[a].key != fields[b].key ? fields[a].key < fields[b].key : a < b;
    });
    std::vector<bool> repeated(fields.size());
    bool any = false;
    for (std::size_t i = 0; i + 1 < order.size(); ++i)
      if (fields[order[i]].key == fields[order[i + 1]].key) repeated[order[i]] = any = true;
    if (!any) return;
    std::vector<Field> kept;
    for (std::size_t i = 0; i < fields.size(); ++i)
      if (!repeated[i]) kept.push_back(std::move(fields[i]));
    fields = std::move(kept);
  }

  Result<Value> array(ByteReader& in) {
    if (++depth_ > kTableDepthMax) return malformed("nested too deeply");
    const auto size = in.be<std::uint32_t>();
    ByteReader inner(in.bytes(size));
    Array array;
    while (inner.left() > 0) {
      auto decoded = value(inner);
      if (!decoded) return decoded.error();
      array.values.push_back(std::move(*decoded));
    }
    if (!in.ok() || !inner.ok()) return malformed("cut short");
    --depth_;
    return Value(std::move(array));
  }

  Result<Value> value(ByteReader& in) {
    if (++fields_ > kTableFieldsMax) return malformed("too many fields");
    const char type = static_cast<char>(in.u8());
    if (!in.ok()) return malformed("cut short");
    switch (type) {
      case 'V': return Value();
      case 't': return Value(in.u8() != 0);
      case 'b': return Value(static_cast<std::int8_t>(in.u8()));
      case 'B': return Value(in.u8());
      case 's': return Value(to_signed<std::int16_t>(in.be<std::uint16_t>()));
      case 'u': return Value(in.be<std::uint16_t>());
      case 'I': return Value(to_signed<std::int32_t>(in.be<std::uint32_t>()));
      case 'i': return Value(in.be<std::uint32_t>());
      case 'l':
      case 'L': return Value(to_signed<std::int64_t>(in.be<std::uint64_t>()));
      case 'f': return Value(std::bit_cast<float>(in.be<std::uint32_t>()));
      case 'd': return Value(std::bit_cast<double>(in.be<std::uint64_t>()));
      case 'D': {
        const std::uint8_t scale = in.u8();
        return Value(Decimal{scale, to_signed<std::int32_t>(in.be<std::uint32_t>())});
      }
      case 'S': return Value(std::string(as_text(in.bytes(in.be<std::uint32_t>()))));
      case 'x': {
        const ByteView bytes = in.bytes(in.be<std::uint32_t>());
        return Value(ByteArray{Bytes(bytes.begin(), bytes.end())});
      }
      case 'T': return Value(Timestamp{in.be<std::uint64_t>()});
      case 'A': return array(in);
      case 'F': {
        auto nested = table(in);
        if (!nested) return nested.error();
        return Value(std::move(*nested));
      }
      default: return malformed("a type that is not known");
    }
  }

  std::size_t depth_ = 0;
  std::size_t fields_ = 0;
};

Result<Table> Table::decode(ByteReader& in) { return TableDecoder().table(in); }

}  // namespace pannier::queue
