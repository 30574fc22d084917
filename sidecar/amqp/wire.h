// Wire types of AMQP 0-9-1 (4.2): frames and the fields of methods, read and written.
//
// Method structs list their fields once (methods.h); FieldWriter and FieldReader walk that list,
// bits packed into octets as 4.2.5.2 says. A reader refuses short strings that are no valid length
// and tables that break their limits; ok() tells. Value types; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"
#include "sidecar/queue/table.h"

namespace pannier::amqp {

using ChannelId = std::uint16_t;
using DeliveryTag = std::uint64_t;

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };
inline constexpr std::uint8_t kFrameEnd = 0xCE;
inline constexpr std::size_t kFrameHeaderSize = 7;
inline constexpr std::size_t kFrameOverhead = kFrameHeaderSize + 1;
inline constexpr std::uint32_t kFrameMinSize = 4096;  // 4.2.3: what every peer must accept
inline constexpr std::uint16_t kBasicClass = 60;
inline constexpr std::uint16_t kLinkClass = 200;  // of agents among themselves: decision 9

struct Frame {
  FrameType type = FrameType::method;
  ChannelId channel = 0;
  ByteView payload;
};

// The frame at the front of the input, if it is whole. bad_frame: it cannot become one.
struct FrameResult {
  Frame frame;
  std::size_t size = 0;  // of the whole frame; 0: more bytes are needed
};
Result<FrameResult> parse_frame(ByteView input, std::uint32_t frame_max);

struct MethodId {
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
  constexpr std::uint32_t key() const { return std::uint32_t{class_id} << 16 | method_id; }
  bool operator==(const MethodId&) const = default;
};

// Whether AMQP 0-9-1 and RabbitMQ's extensions have a method of that number, for either side.
bool is_method(MethodId id);

// The one method of links that content follows.
inline constexpr MethodId kLinkedContent{kLinkClass, 40};

// A string that the wire counts with four bytes; plain std::string fields are counted with one.
struct LongString {
  std::string text;
  bool operator==(const LongString&) const = default;
};

// Of a method that is its id alone.
struct NoFields {
  template <typename Self, typename Visit>
  static void fields(Self&, Visit&&) {}
};

class FieldWriter {
 public:
  explicit FieldWriter(Bytes& bytes) : out_(bytes) {}
  ~FieldWriter() { flush_bits(); }
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  void operator()(const bool& bit) {
    if (bit) bits_ |= 1u << count_;
    if (++count_ == 8) flush_bits();
  }
  void operator()(const std::uint8_t& value) { flush_bits(), out_.u8(value); }
  void operator()(const std::uint16_t& value) { flush_bits(), out_.be(value); }
  void operator()(const std::uint32_t& value) { flush_bits(), out_.be(value); }
  void operator()(const std::uint64_t& value) { flush_bits(), out_.be(value); }
  void operator()(std::string_view text) {
    flush_bits();
    const auto size = static_cast<std::uint8_t>(std::min<std::size_t>(text.size(), 255));
    out_.u8(size);
    out_.bytes(as_bytes(text).first(size));
  }
  void operator()(const LongString& text) {
    flush_bits();
    out_.be(static_cast<std::uint32_t>(text.text.size()));
    out_.bytes(as_bytes(text.text));
  }
  void operator()(const queue::Table& table) {
    flush_bits();
    table.encode(out_);
  }

 private:
  void flush_bits() {
    if (count_ > 0) out_.u8(static_cast<std::uint8_t>(bits_));
    bits_ = count_ = 0;
  }
  ByteWriter out_;
  unsigned bits_ = 0;
  unsigned count_ = 0;
};

class FieldReader {
 public:
  explicit FieldReader(ByteView bytes) : in_(bytes) {}

  void operator()(bool& bit) {
    if (count_ == 0) bits_ = in_.u8();
    bit = (bits_ >> count_ & 1) != 0;
    count_ = (count_ + 1) % 8;
  }
  void operator()(std::uint8_t& value) { count_ = 0, value = in_.u8(); }
  void operator()(std::uint16_t& value) { count_ = 0, value = in_.be<std::uint16_t>(); }
  void operator()(std::uint32_t& value) { count_ = 0, value = in_.be<std::uint32_t>(); }
  void operator()(std::uint64_t& value) { count_ = 0, value = in_.be<std::uint64_t>(); }
  void operator()(std::string& text) {
    count_ = 0;
    const auto size = in_.u8();
    text = as_text(in_.bytes(size));
  }
  void operator()(LongString& text) {
    count_ = 0;
    const auto size = in_.be<std::uint32_t>();
    text.text = as_text(in_.bytes(size));
  }
  void operator()(queue::Table& table) {
    count_ = 0;
    auto decoded = queue::Table::decode(in_);
    if (decoded)
      table = std::move(*decoded);
    else if (!error_)
      error_ = decoded.error();
  }

  bool ok() const { return in_.ok() && !error_; }
  std::size_t left() const { return in_.left(); }
  bool is_cut() const { return !in_.ok(); }
  const std::optional<Error>& error() const { return error_; }

 private:
  ByteReader in_;
  std::optional<Error> error_;
  unsigned bits_ = 0;
  unsigned count_ = 0;
};

}  // namespace pannier::amqp
