#include "common/http_answer.h"

#include <algorithm>
#include <charconv>

#include "common/quantity.h"

namespace pannier {
namespace {

constexpr std::size_t kChunkLineMax = 256;

Error bad(const std::string& what) {
  return Error{Errc::bad_frame, "the answer is no HTTP/1.1: " + what};
}

Error too_large(const std::string& what, std::size_t limit) {
  return Error{Errc::too_large,
               "the answer's " + what + " is over the limit of " + quantity_text(limit)};
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string all(text);
  std::ranges::transform(all, all.begin(), [](char c) { return lower(c); });
  return all;
}

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

// Digits alone: no sign, no blank, nothing behind them. More than 64 bits have is `overflows`.
struct Number {
  bool is_valid = false;
  bool overflows = false;
  std::uint64_t value = 0;
};
Number number_of(std::string_view text, int base) {
  Number number;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number.value, base);
  number.overflows = parsed.ec == std::errc::result_out_of_range && parsed.ptr == end;
  number.is_valid = (parsed.ec == std::errc{} || number.overflows) && parsed.ptr == end;
  return number;
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return {};
}

Result<void> HttpAnswerReader::put(std::string_view bytes) {
  has_begun_ = has_begun_ || !bytes.empty();
  buffer_.append(bytes);
  while (!is_done()) {
    const auto stepped = step();
    if (!stepped) return stepped.error();
    if (!*stepped) break;
  }
  buffer_.erase(0, at_);
  searched_ = searched_ > at_ ? searched_ - at_ : 0;
  at_ = 0;
  return {};
}

Result<void> HttpAnswerReader::end() {
  stays_open_ = false;
  if (state_ == State::body_to_end) state_ = State::done;
  if (is_done()) return {};
  return Error{Errc::closed,
               has_begun_ ? "closed in the middle of its answer" : "closed without an answer"};
}

Result<bool> HttpAnswerReader::step() {
  switch (state_) {
    case State::done: return false;
    case State::sized_body:
    case State::chunk: return take_body();
    case State::body_to_end:
      body_left_ = buffer_.size() - at_;
      if (body_left_ > limits_.body_max - answer_.body.size())
        return too_large("body", limits_.body_max);
      return take_body();
    case State::status_line:
    case State::fields:
    case State::chunk_size:
    case State::chunk_end:
    case State::trailers: break;
  }
  std::string line;
  const auto taken = take_line(line);
  if (!taken || !*taken) return taken;
  return on_line(line);
}

Result<bool> HttpAnswerReader::take_line(std::string& line) {
  const bool is_of_chunk = state_ == State::chunk_size || state_ == State::chunk_end;
  const std::size_t limit = is_of_chunk ? kChunkLineMax : limits_.head_max - head_bytes_;
  searched_ = std::max(searched_, at_);
  const std::size_t end = buffer_.find('\n', searched_);
  const std::size_t size = (end == std::string::npos ? buffer_.size() : end + 1) - at_;
  if (size > limit) {
    if (is_of_chunk) return bad("no end of a chunk's line");
    return too_large("head", limits_.head_max);
  }
  searched_ = buffer_.size();
  if (end == std::string::npos) return false;
  if (end == at_ || buffer_[end - 1] != '\r') return bad("a line that does not end in CR LF");
  line = buffer_.substr(at_, end - 1 - at_);
  at_ = searched_ = end + 1;
  if (!is_of_chunk) head_bytes_ += size;
  return true;
}

Result<bool> HttpAnswerReader::on_line(const std::string& line) {
  Result<void> done;
  if (state_ == State::status_line) {
    done = on_status_line(line);
  } else if (state_ == State::fields) {
    done = line.empty() ? on_fields_end() : on_field(line);
  } else if (state_ == State::chunk_size) {
    done = on_chunk_size(line);
  } else if (state_ == State::chunk_end) {
    if (!line.empty()) return bad("a chunk that is longer than it says");
    state_ = State::chunk_size;
  } else if (line.empty()) {  // of trailers nobody reads more than their end
    state_ = State::done;
  }
  if (!done) return done.error();
  return true;
}

// "HTTP/1.1 201 Created"; the reason may be missing, with its blank.
Result<void> HttpAnswerReader::on_status_line(const std::string& line) {
  const std::string_view text(line);
  const bool is_http = text.starts_with("HTTP/1.1 ") || text.starts_with("HTTP/1.0 ");
  const Number status = is_http ? number_of(text.substr(9, 3), 10) : Number{};
  if (!status.is_valid || text.substr(9, 3).size() < 3 || status.value < 100 ||
      (text.size() > 12 && text[12] != ' '))
    return bad("expected 'HTTP/1.1 STATUS', found " + quoted_for_people(text));
  answer_ = {};
  answer_.status = static_cast<int>(status.value);
  answer_.status_line = line;
  stays_open_ = text[7] == '1';
  state_ = State::fields;
  return {};
}

Result<void> HttpAnswerReader::on_field(const std::string& line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = std::string_view(line).substr(0, std::min(colon, line.size()));
  if (colon == std::string::npos || !is_name(name))
    return bad("expected 'Name: value', found " + quoted_for_people(line));
  answer_.headers.emplace_back(lower(name),
                               std::string(trimmed(std::string_view(line).substr(colon + 1))));
  return {};
}

Result<void> HttpAnswerReader::on_fields_end() {
  if (answer_.status < 200 && answer_.status != 101) {  // the answer proper is still to come
    state_ = State::status_line;
    return {};
  }
  const std::string *length = nullptr, *encoding = nullptr;
  for (const auto& [name, value] : answer_.headers) {
    if (name == "connection" && lower(value) == "close") stays_open_ = false;
    if (name == "transfer-encoding") encoding = &value;
    if (name != "content-length") continue;
    if (length != nullptr && *length != value) return bad("two lengths");
    length = &value;
  }
  if (length != nullptr && encoding != nullptr) return bad("a length, and chunks as well");
  if (encoding != nullptr && lower(*encoding) != "chunked")
    return bad("a Transfer-Encoding other than chunked: " + quoted_for_people(*encoding));
  if (is_for_head_ || answer_.status == 204 || answer_.status == 304 || answer_.status == 101) {
    state_ = State::done;
  } else if (encoding != nullptr) {
    state_ = State::chunk_size;
  } else if (length == nullptr) {
    state_ = State::body_to_end;
  } else {
    const Number size = number_of(*length, 10);
    if (!size.is_valid) return bad("a Content-Length of " + quoted_for_people(*length));
    if (size.overflows || size.value > limits_.body_max) return too_large("body", limits_.body_max);
    body_left_ = size.value;
    state_ = body_left_ == 0 ? State::done : State::sized_body;
  }
  return {};
}

// "1f4" or "1f4;name=value".
Result<void> HttpAnswerReader::on_chunk_size(const std::string& line) {
  const std::string_view digits = trimmed(std::string_view(line).substr(0, line.find(';')));
  const Number size = number_of(digits, 16);
  if (!size.is_valid) return bad("a chunk's size of " + quoted_for_people(line));
  if (size.overflows || size.value > limits_.body_max - answer_.body.size())
    return too_large("body", limits_.body_max);
  body_left_ = size.value;
  state_ = body_left_ == 0 ? State::trailers : State::chunk;
  return {};
}

bool HttpAnswerReader::take_body() {
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, buffer_.size() - at_));
  answer_.body.append(buffer_, at_, size);
  at_ += size;
  body_left_ -= size;
  if (body_left_ > 0 || state_ == State::body_to_end) return false;
  state_ = state_ == State::chunk ? State::chunk_end : State::done;
  return true;
}

}  // namespace pannier
