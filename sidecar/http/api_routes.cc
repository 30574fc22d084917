#include "sidecar/http/api_routes.h"

#include <algorithm>
#include <set>
#include <span>
#include <vector>

#include "common/quantity.h"

namespace pannier::http {
namespace {

struct Method {
  std::string_view name;
  Call call;
};
struct Path {
  std::string_view last;  // of /v1/queues/{q}/...
  std::vector<Method> methods;
};

Route choose(std::string_view method, std::string queue, std::span<const Method> methods) {
  Route route;
  route.queue = std::move(queue);
  for (const Method& each : methods) {
    if (each.name == method) return {each.call, std::move(route.queue), {}};
    route.allow += (route.allow.empty() ? "" : ", ") + std::string(each.name);
  }
  return route;
}

}  // namespace

Route route_of(const Request& request) {
  static const Method kQueue[] = {{"GET", Call::take}, {"POST", Call::publish}};
  static const Method kOpenapi[] = {{"GET", Call::openapi}};
  static const Method kQueues[] = {{"GET", Call::queues}};
  static const Method kOne[] = {{"GET", Call::queue}};
  static const std::vector<Path> kPaths = {
      {"messages", {{"POST", Call::messages}, {"DELETE", Call::purge}}},
      {"receive", {{"POST", Call::receive}}},
      {"ack", {{"POST", Call::ack}}},
      {"nack", {{"POST", Call::nack}}},
      {"extend", {{"POST", Call::extend}}},
      {"peek", {{"GET", Call::peek}}},
      {"stream", {{"GET", Call::stream}}}};
  const auto& segments = request.segments;
  if (segments.empty() || segments.front().empty()) return {};
  if (segments.front() != "v1")
    return segments.size() == 1 ? choose(request.method, segments[0], kQueue) : Route{};
  if (segments.size() == 2 && segments[1] == "openapi.json")
    return choose(request.method, {}, kOpenapi);
  if (segments.size() < 2 || segments.size() > 4 || segments[1] != "queues") return {};
  if (segments.size() == 2) return choose(request.method, {}, kQueues);
  if (segments[2].empty()) return {};
  if (segments.size() == 3) return choose(request.method, segments[2], kOne);
  const auto path = std::ranges::find(kPaths, std::string_view(segments[3]), &Path::last);
  return path == kPaths.end() ? Route{} : choose(request.method, segments[2], path->methods);
}

Result<void> check_parameters(const Route& route, const Request& request) {
  std::vector<std::string_view> known;
  if (route.call == Call::take) known = {"wait"};
  if (route.call == Call::messages) known = {"batch"};
  if (route.call == Call::peek) known = {"max"};
  if (route.call == Call::stream) known = {"max", "autoAck", "ackTimeout"};
  std::set<std::string_view> seen;
  for (const auto& [name, value] : request.query) {
    if (std::ranges::find(known, std::string_view(name)) == known.end()) {
      std::string those;
      for (const std::string_view each : known)
        those += (those.empty() ? ": this call knows '" : ", '") + std::string(each) + "'";
      return Error{Errc::bad_argument, "unknown query parameter " + quoted_for_people(name) +
                                           (known.empty() ? ": this call has none" : those)};
    }
    if (!seen.insert(name).second)
      return Error{Errc::bad_argument, "'" + name + "' is given twice"};
  }
  return {};
}

}  // namespace pannier::http
