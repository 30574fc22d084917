#include "sidecar/queue/properties.h"

namespace pannier::queue {
namespace {

// Calls visit(flag, member) for each property in the order of the wire; flag 15 comes first.
template <typename P, typename Visit>
void for_each_property(P& properties, Visit&& visit) {
  visit(15, properties.content_type);
  visit(14, properties.content_encoding);
  visit(13, properties.headers);
  visit(12, properties.delivery_mode);
  visit(11, properties.priority);
  visit(10, properties.correlation_id);
  visit(9, properties.reply_to);
  visit(8, properties.expiration);
  visit(7, properties.message_id);
  visit(6, properties.timestamp);
  visit(5, properties.type);
  visit(4, properties.user_id);
  visit(3, properties.app_id);
  visit(2, properties.cluster_id);
}

struct Writer {
  ByteWriter& out;

  void operator()(const std::string& text) const {
    out.u8(static_cast<std::uint8_t>(text.size()));
    out.bytes(as_bytes(text).first(static_cast<std::uint8_t>(text.size())));
  }
  void operator()(const Table& table) const { table.encode(out); }
  void operator()(std::uint8_t octet) const { out.u8(octet); }
  void operator()(Timestamp time) const { out.be(time.seconds); }
};

struct Reader {
  ByteReader& in;
  std::optional<Error> error;

  void operator()(std::optional<std::string>& text) {
    const auto size = in.u8();
    text = std::string(as_text(in.bytes(size)));
  }
  void operator()(std::optional<Table>& table) {
    auto decoded = Table::decode(in);
    if (decoded)
      table = std::move(*decoded);
    else
      error = decoded.error();
  }
  void operator()(std::optional<std::uint8_t>& octet) { octet = in.u8(); }
  void operator()(std::optional<Timestamp>& time) { time = Timestamp{in.be<std::uint64_t>()}; }
};

}  // namespace

void Properties::encode(ByteWriter& out) const {
  unsigned flags = 0;
  for_each_property(*this, [&](int flag, const auto& property) {
    if (property) flags |= 1u << flag;
  });
  out.be(static_cast<std::uint16_t>(flags));
  for_each_property(*this, [&](int, const auto& property) {
    if (property) Writer{out}(*property);
  });
}

Result<Properties> Properties::decode(ByteView bytes) {
  ByteReader in(bytes);
  Properties properties;
  const auto flags = in.be<std::uint16_t>();
  if ((flags & 3u) != 0)  // more flag words follow, or a property that no version defines
    return Error{Errc::bad_syntax, "properties: flags that are not known"};
  Reader reader{in, {}};
  for_each_property(properties, [&](int flag, auto& property) {
    if ((flags >> flag & 1) != 0 && !reader.error) reader(property);
  });
  if (reader.error) return *reader.error;
  if (!in.done()) return Error{Errc::bad_syntax, "properties: cut short, or bytes left over"};
  return properties;
}

}  // namespace pannier::queue
