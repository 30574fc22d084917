#include "sidecar/http/batch_reader.h"

#include <nlohmann/json.hpp>

#include "common/base64.h"
#include "common/quantity.h"
#include "common/random.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/message_fields.h"
#include "sidecar/http/trace_context.h"

namespace pannier::http {
namespace {

using Json = nlohmann::json;

bool is_body_key(std::string_view key) {
  return key == "body" || key == "bodyText" || key == "bodyBase64";
}

// Ends with the first element: whether it is a message.
class FirstElement final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(std::int64_t) override { return scalar(); }
  bool number_unsigned(std::uint64_t) override { return scalar(); }
  bool number_float(double, const std::string&) override { return scalar(); }
  bool string(std::string&) override { return scalar(); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ > 1; }
  bool key(std::string& name) override {
    is_message = depth_ == 2 && is_body_key(name);
    return !is_message;
  }
  bool end_object() override { return --depth_ > 1; }
  bool start_array(std::size_t) override { return ++depth_ != 2; }
  bool end_array() override { return --depth_ > 1; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }
  bool is_message = false;

 private:
  bool scalar() const { return depth_ > 1; }
  std::size_t depth_ = 0;
};

// depth: 0 outside, then the array if there is one, the message, and its headers or its body.
class Reader final : public nlohmann::json_sax<Json> {
 public:
  Reader(std::vector<BatchItem>& into, bool in_array, std::size_t messages_max)
      : items_(into), top_(in_array ? 1 : 0), messages_max_(messages_max) {}

  bool null() override { return scalar("null", {}, queue::Value()); }
  bool boolean(bool value) override {
    return scalar(value ? "true" : "false", {}, queue::Value(value));
  }
  bool number_integer(std::int64_t value) override {
    return scalar(std::to_string(value), {}, queue::Value(value));
  }
  bool number_unsigned(std::uint64_t value) override {
    const bool fits = value <= static_cast<std::uint64_t>(INT64_MAX);
    return scalar(std::to_string(value), {},
                  fits ? queue::Value(static_cast<std::int64_t>(value))
                       : queue::Value(static_cast<double>(value)));
  }
  bool number_float(double value, const std::string& text) override {
    return scalar(text, {}, queue::Value(value));
  }
  bool string(std::string& value) override {
    std::string quoted;
    if (is_raw_) append_string(quoted, value);
    return scalar(std::move(quoted), &value, is_raw_ ? queue::Value() : queue::Value(value));
  }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override {
    if (is_raw_) return open('{');
    ++depth_;
    if (depth_ == top_ + 1) return start_message();
    if (depth_ == top_ + 2 && key_ == "headers") return true;
    return fail(depth_ <= top_ ? "expected an array" : "'" + key_ + "' is an object");
  }
  bool key(std::string& name) override {
    if (is_raw_) {
      comma();
      append_key(raw_, name);
      return true;
    }
    if (depth_ == top_ + 2) {
      header_ = name;
      if (name.size() > kShortTextMax) return fail("a header's name has more than 255 bytes");
      return true;
    }
    key_ = name;
    if (is_body_key(name)) {
      if (has_body_) return fail("more than one of body, bodyText and bodyBase64");
      has_body_ = true;
      is_raw_ = name == "body";
      raw_depth_ = 0;
      raw_.clear();
    }
    return true;
  }
  bool end_object() override {
    if (is_raw_) return close('}');
    const bool is_message = --depth_ == top_;
    return !is_message || end_message();
  }
  bool start_array(std::size_t) override {
    if (is_raw_) return open('[');
    ++depth_;
    if (depth_ == 1 && top_ == 1) return true;
    return fail(depth_ == top_ + 1 ? "expected an object" : "'" + key_ + "' is an array");
  }
  bool end_array() override {
    if (is_raw_) return close(']');
    --depth_;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    return fail("no valid JSON at byte " + std::to_string(at));
  }

  std::optional<Error> error;

 private:
  bool fail(std::string why, Errc code = Errc::bad_argument) {
    const std::size_t number = items_.size() + 1;
    if (!error) error = Error{code, "message " + std::to_string(number) + ": " + std::move(why)};
    return false;
  }
  bool start_message() {
    if (items_.size() >= messages_max_)
      return fail("no more than " + std::to_string(messages_max_) + " messages at once",
                  Errc::too_large);
    item_ = {};
    item_.properties.delivery_mode = 2;
    headers_ = {};
    trace_ = {};
    delay_ = ttl_ = {};
    has_body_ = false;
    return true;
  }
  bool end_message() {
    if (!has_body_) return fail("none of body, bodyText and bodyBase64");
    if (item_.properties.message_id.value_or("").empty())
      item_.properties.message_id = to_text(random_uuid());
    if (const auto trace = trace_context(std::move(trace_.parent), std::move(trace_.state)))
      set_trace_context(headers_, *trace);
    if (!headers_.empty()) item_.properties.headers = std::move(headers_);
    set_delay(item_.properties, delay_);
    set_ttl(item_.properties, ttl_);
    items_.push_back(std::move(item_));
    return true;
  }

  void comma() {
    if (!raw_.empty() && raw_.back() != '[' && raw_.back() != '{' && raw_.back() != ':')
      raw_ += ',';
  }
  bool open(char bracket) {
    if (++raw_depth_ > kJsonDepthMax) return fail("'body' is nested too deeply");
    comma();
    raw_ += bracket;
    return true;
  }
  bool close(char bracket) {
    raw_ += bracket;
    if (--raw_depth_ == 0) end_raw();
    return true;
  }
  void end_raw() {
    is_raw_ = false;
    item_.body = Slice::copy_of(raw_);
    if (!item_.properties.content_type) item_.properties.content_type = "application/json";
  }

  bool scalar(std::string json, const std::string* text, queue::Value value) {
    if (is_raw_) {
      comma();
      raw_ += json;
      if (raw_depth_ == 0) end_raw();
      return true;
    }
    if (depth_ <= top_) return fail(depth_ < top_ ? "expected an array" : "expected an object");
    if (depth_ == top_ + 2) {
      headers_.set(header_, std::move(value));
      return true;
    }
    if (key_ == "priority") {
      const auto number = value.as_integer();
      if (!number || *number < 0 || *number > 255)
        return fail("'priority': expected a number from 0 to 255");
      item_.properties.priority = static_cast<std::uint8_t>(*number);
      return true;
    }
    if (text == nullptr) return wrong_kind(value);
    return take_text(*text);
  }
  bool wrong_kind(const queue::Value& value) {
    const bool is_time = key_ == "delay" || key_ == "ttl";
    if (is_time && value.as_integer() == 0) return true;
    if (is_time) return fail("'" + key_ + "': expected a duration in quotes, such as \"20s\"");
    return take_text({});  // names a key that is unknown
  }
  bool take_text(std::optional<std::string> text) {
    using Member = std::optional<std::string> queue::Properties::*;
    static constexpr std::pair<std::string_view, Member> kTexts[] = {
        {"contentType", &queue::Properties::content_type},
        {"contentEncoding", &queue::Properties::content_encoding},
        {"id", &queue::Properties::message_id},
        {"replyTo", &queue::Properties::reply_to}};
    const auto known = std::ranges::find(kTexts, std::string_view(key_),
                                         &std::pair<std::string_view, Member>::first);
    const bool is_trace = key_ == "traceparent" || key_ == "tracestate";
    const bool is_known =
        known != std::end(kTexts) || key_ == "group" || is_trace || is_body_key(key_);
    if (!text && is_known) return fail("'" + key_ + "': expected a string");
    if (key_ == "bodyText") return item_.body = Slice::copy_of(*text), with_type("text/plain");
    if (key_ == "bodyBase64") {
      const auto bytes = from_base64(*text);
      if (!bytes) return fail("'bodyBase64': no valid base64");
      item_.body = Slice::copy_of(*bytes);
      return true;
    }
    if (is_trace) {
      (key_ == "traceparent" ? trace_.parent : trace_.state) = std::move(*text);
      return true;
    }
    if (is_known && text->size() > kShortTextMax)
      return fail("'" + key_ + "': expected at most 255 bytes");
    if (key_ == "group") return headers_.set("x-group", std::move(*text)), true;
    if (known != std::end(kTexts)) return item_.properties.*known->second = std::move(text), true;
    if (text && (key_ == "delay" || key_ == "ttl")) return take_time(*text);
    return fail("unknown key " + quoted_for_people(key_));
  }
  bool with_type(std::string_view type) {
    if (!item_.properties.content_type) item_.properties.content_type = type;
    return true;
  }
  bool take_time(const std::string& text) {
    const auto time = message_time(text);
    if (!time) return fail("'" + key_ + "': " + time.error().detail);
    (key_ == "delay" ? delay_ : ttl_) = *time;
    return true;
  }

  std::vector<BatchItem>& items_;
  const std::size_t top_;  // the depth that messages stand in
  const std::size_t messages_max_;
  std::size_t depth_ = 0;
  std::string key_;
  std::string header_;
  BatchItem item_;
  queue::Table headers_;
  TraceContext trace_;
  std::chrono::milliseconds delay_{0};
  std::chrono::milliseconds ttl_{0};
  bool has_body_ = false;
  bool is_raw_ = false;
  std::string raw_;
  std::size_t raw_depth_ = 0;
};

Result<void> read(std::string_view text, Reader& reader) {
  const bool is_good = Json::sax_parse(text.begin(), text.end(), &reader);
  if (reader.error) return *reader.error;
  if (!is_good) return Error{Errc::bad_argument, "no valid JSON"};
  return {};
}

}  // namespace

Result<std::vector<BatchItem>> read_ndjson(std::string_view text, std::size_t messages_max) {
  std::vector<BatchItem> items;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Reader reader(items, false, messages_max);
    if (auto done = read(line, reader); !done) return done.error();
  }
  return items;
}

Result<std::vector<BatchItem>> read_array(std::string_view text, std::size_t messages_max) {
  std::vector<BatchItem> items;
  Reader reader(items, true, messages_max);
  if (auto done = read(text, reader); !done) return done.error();
  return items;
}

bool is_batch(std::string_view text) {
  FirstElement first;
  static_cast<void>(Json::sax_parse(text.begin(), text.end(), &first));
  return first.is_message;
}

}  // namespace pannier::http
