#include "sidecar/http/http_context.h"

#include <array>
#include <ctime>
#include <utility>

#include "sidecar/http/http_session.h"

namespace pannier::http {

void HttpContext::remove(HttpSession& session) {
  sessions_.erase(&session);
  awaiting_room_.erase(&session);
}

// Whoever is told may take others with it.
void HttpContext::on_room() {
  const auto sessions = std::exchange(awaiting_room_, {});
  for (HttpSession* session : sessions)
    if (sessions_.contains(session)) session->on_spool_room();
}

void HttpContext::close_all() {
  for (HttpSession* session : std::set<HttpSession*>(sessions_))
    if (sessions_.contains(session)) session->wind_down();
}

// By hand: strftime would follow the locale.
std::string_view HttpContext::date() {
  constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::int64_t now = clock.now_ms() / 1'000;
  if (now == date_of_) return date_;
  date_of_ = now;
  const std::time_t seconds = now;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  const auto two = [](int number) {
    return std::string(number < 10 ? "0" : "") + std::to_string(number);
  };
  date_ = std::string(days[static_cast<std::size_t>(utc.tm_wday)]) + ", " + two(utc.tm_mday) + " " +
          months[static_cast<std::size_t>(utc.tm_mon)] + " " + std::to_string(utc.tm_year + 1900) +
          " " + two(utc.tm_hour) + ":" + two(utc.tm_min) + ":" + two(utc.tm_sec) + " GMT";
  return date_;
}

}  // namespace pannier::http
