#include "sidecar/http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <limits>

#include "sidecar/http/response_head.h"

namespace pannier::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

constexpr std::size_t kChunkDigits = 15;

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }

Refusal bad(std::string detail) { return {400, "bad_syntax", std::move(detail)}; }

// Heads only: bodies are read by hand (docs/decisions/0012-http-by-hand.md).
class HeadParser final : public beast::http::basic_parser<true> {
 public:
  explicit HeadParser(RequestHead& head) : head_(head) {
    body_limit(std::numeric_limits<std::uint64_t>::max());
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    head_.method = text_of(method);
    head_.target = text_of(target);
    head_.is_http10 = version == 10;
  }
  void on_response_impl(int, beast::string_view, int, error_code&) override {}
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    head_.fields.emplace_back(text_of(name), text_of(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view, error_code&) override {
    return 0;
  }
  void on_finish_impl(error_code&) override {}

  RequestHead& head_;
};

}  // namespace

std::optional<Refusal> RequestParser::put_head(std::string_view text, const HeadLimits& limits) {
  if (auto refused = check_head(text, limits)) return refused;
  HeadParser parser(head_);
  error_code code;
  const std::size_t used = parser.put(boost::asio::const_buffer(text.data(), text.size()), code);
  if (code || used != text.size() || !parser.is_header_done())
    return bad("the head cannot be understood: " + code.message());
  head_.keeps_alive = parser.keep_alive();
  head_.is_chunked = parser.chunked();
  if (const auto length = parser.content_length()) head_.length = *length;
  left_ = head_.length;
  state_ = head_.is_chunked ? State::chunk_head : left_ > 0 ? State::data : State::whole;
  return {};
}

RequestParser::Taken RequestParser::put_body(ByteView input, BodySink& sink) {
  Taken taken;
  while (state_ != State::whole && taken.used < input.size()) {
    const ByteView rest = input.subspan(taken.used);
    if (state_ == State::data) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size()));
      const std::size_t used = sink.take(rest.first(size));
      taken.used += used;
      left_ -= used;
      if (used < size) return taken;
      if (left_ == 0) state_ = head_.is_chunked ? State::data_end : State::whole;
      continue;
    }
    const std::string_view text = as_text(rest);
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      if (state_ == State::data_end && text != "\r")
        taken.refused = bad("a chunk is longer than it says");
      else if (text.size() > overhead_left_ + kChunkDigits)
        taken.refused = spend(text.size());
      return taken;
    }
    if (end == 0 || text[end - 1] != '\r')
      taken.refused = bad("a line of the body's chunks does not end with CRLF");
    else
      taken.refused = on_line(text.substr(0, end - 1));
    if (taken.refused) return taken;
    taken.used += end + 1;
  }
  return taken;
}

std::optional<Refusal> RequestParser::spend(std::size_t overhead) {
  if (overhead > overhead_left_)
    return Refusal{431, "too_large", "the chunks' heads or the trailers are too long"};
  overhead_left_ -= overhead;
  return {};
}

std::optional<Refusal> RequestParser::on_line(std::string_view line) {
  for (const char c : line)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f')
      return bad("a chunk's head or a trailer holds a control character");
  if (state_ == State::chunk_head) return on_chunk_head(line);
  if (state_ == State::data_end) {
    if (!line.empty()) return bad("a chunk is longer than it says");
    state_ = State::chunk_head;
    return {};
  }
  // Trailers are not kept: whoever sends them must not count on it (RFC 9110, 6.5.1).
  if (line.empty()) {
    state_ = State::whole;
    return {};
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return bad("a trailer is not a field");
  return spend(line.size() + 2);
}

std::optional<Refusal> RequestParser::on_chunk_head(std::string_view line) {
  const std::size_t digits = std::min(line.find(';'), line.size());
  const char* const end = line.data() + digits;
  const auto parsed = std::from_chars(line.data(), end, left_, 16);
  if (digits == 0 || digits > kChunkDigits || line.front() == '-' || parsed.ptr != end ||
      parsed.ec != std::errc())
    return bad("a chunk's size is not a number");
  state_ = left_ == 0 ? State::trailers : State::data;
  return spend(line.size() - digits);
}

}  // namespace pannier::http
