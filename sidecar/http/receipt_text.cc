#include "sidecar/http/receipt_text.h"

namespace pannier::http {
namespace {

// queue 8 digits | sequence 16 | delivery 16
constexpr std::size_t kQueueDigits = 8;
constexpr std::size_t kNumberDigits = 16;

void append_hex(std::string& out, std::uint64_t number, std::size_t digits) {
  for (std::size_t i = digits; i-- > 0;) out += "0123456789abcdef"[number >> (4 * i) & 15];
}

// Only what append_hex writes.
std::optional<std::uint64_t> take_hex(std::string_view& text, std::size_t digits) {
  std::uint64_t number = 0;
  for (const char each : text.substr(0, digits)) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(each);
    if (digit == std::string_view::npos) return {};
    number = number << 4 | digit;
  }
  text.remove_prefix(digits);
  return number;
}

}  // namespace

std::string receipt_text(queue::QueueId queue, const queue::Receipt& receipt) {
  std::string text;
  append_hex(text, queue, kQueueDigits);
  append_hex(text, receipt.sequence, kNumberDigits);
  append_hex(text, receipt.delivery, kNumberDigits);
  return text;
}

std::optional<NamedReceipt> parse_receipt(std::string_view text) {
  if (text.size() != kQueueDigits + 2 * kNumberDigits) return {};
  const auto queue = take_hex(text, kQueueDigits);
  const auto sequence = take_hex(text, kNumberDigits);
  const auto delivery = take_hex(text, kNumberDigits);
  if (!queue || !sequence || !delivery) return {};
  return NamedReceipt{static_cast<queue::QueueId>(*queue), {*sequence, *delivery}};
}

}  // namespace pannier::http
