#include "operator/admit_pod.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/quantity.h"

namespace pannier {
namespace {

using api::AgentClass;
using api::AgentPorts;
using api::Pod;

constexpr std::string_view kEnabled = "enabled";
constexpr std::string_view kDisabled = "disabled";

Error refused(std::string what) { return {Errc::bad_config, std::move(what)}; }

// None: nobody has said anything.
Result<std::optional<bool>> wish_of(const std::map<std::string, std::string>& labels,
                                    std::string_view of_what) {
  const auto found = labels.find(std::string(api::kInjectLabel));
  if (found == labels.end()) return std::optional<bool>();
  if (found->second == kEnabled) return std::optional<bool>(true);
  if (found->second == kDisabled) return std::optional<bool>(false);
  return refused("label " + std::string(api::kInjectLabel) + " of the " + std::string(of_what) +
                 ": expected enabled or disabled, found " + quoted_for_people(found->second) +
                 ": use one of the two");
}

Result<bool> wants_agent(const Pod& pod,
                         const std::map<std::string, std::string>& namespace_labels) {
  const auto of_pod = wish_of(pod.metadata.labels, "pod");
  if (!of_pod) return of_pod.error();
  if (of_pod->has_value()) return **of_pod;
  const auto of_namespace = wish_of(namespace_labels, "namespace");
  if (!of_namespace) return of_namespace.error();
  return of_namespace->value_or(false);
}

std::string names_of(const std::vector<AgentClass>& classes) {
  std::vector<std::string> names{std::string(api::kDefaultClassName)};
  for (const AgentClass& each : classes) names.push_back(each.metadata.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Result<api::AgentClassSpec> spec_of(const std::string& class_name,
                                    const std::vector<AgentClass>& classes) {
  for (const AgentClass& each : classes)
    if (each.metadata.name == class_name) return each.spec;
  if (class_name == api::kDefaultClassName) return api::AgentClassSpec{};
  return refused("there is no AgentClass " + quoted_for_people(class_name) +
                 " (there are: " + names_of(classes) + "): make it, or change annotation " +
                 std::string(api::kClassAnnotation));
}

struct NamedPort {
  const char* name;
  std::uint16_t port;
  std::string_view annotation;  // that changes it; empty: only the class does
};

// Those that the agent listens on.
std::vector<NamedPort> listeners_of(const AgentPorts& ports, const api::AgentClassSpec& spec) {
  std::vector<NamedPort> named{{"amqps", ports.amqps, api::kAmqpsPortAnnotation},
                               {"https", ports.https, api::kHttpsPortAnnotation},
                               {"peer", ports.peer, {}},
                               {"admin", ports.admin, {}}};
  if (spec.plaintext_loopback) {
    named.push_back({"amqp", ports.amqp, {}});
    named.push_back({"http", ports.http, {}});
  }
  return named;
}

std::string mend(const NamedPort& listener) {
  return listener.annotation.empty() ? "ports." + std::string(listener.name) + " of its class"
                                     : "annotation " + std::string(listener.annotation);
}

Result<void> take_annotation(const Pod& pod, std::string_view annotation, std::uint16_t& into) {
  const auto found = pod.metadata.annotations.find(std::string(annotation));
  if (found == pod.metadata.annotations.end()) return {};
  const std::string& text = found->second;
  std::uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || port == 0)
    return refused("annotation " + std::string(annotation) +
                   ": expected a port (1 to 65535), found " + quoted_for_people(text) +
                   ": write a number such as 5671");
  into = port;
  return {};
}

Result<void> check_distinct(const std::vector<NamedPort>& listeners) {
  for (std::size_t i = 0; i < listeners.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (listeners[i].port == listeners[j].port)
        return refused("port " + std::to_string(listeners[i].port) + " is both " +
                       listeners[j].name + " and " + listeners[i].name + " of the agent: change " +
                       mend(listeners[j]) + " or " + mend(listeners[i]));
  return {};
}

Result<void> check_clashes(const Pod& pod, const std::vector<NamedPort>& listeners) {
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers})
    for (const api::Container& container : *containers) {
      if (container.name == api::kAgentContainer) continue;
      for (const api::ContainerPort& declared : container.ports)
        for (const NamedPort& listener : listeners)
          if (listener.port == declared.port)
            return refused(
                "container " + container.name + " declares port " + std::to_string(declared.port) +
                (declared.name.empty() ? "" : " (" + declared.name + ")") + ", which is " +
                listener.name + " of the pod's agent: change the container's port, or " +
                mend(listener));
    }
  return {};
}

Result<void> check_placeable(const Pod& pod) {
  const std::string instead = ", or label the pod " + std::string(api::kInjectLabel) + ": disabled";
  if (pod.spec.host_network)
    return refused(
        "a pod on its node's network (hostNetwork: true) cannot have an agent: its ports "
        "would be the node's: remove hostNetwork" +
        instead);
  if (pod.spec.os == "windows")
    return refused("a pod for Windows (os.name: windows) cannot have an agent: use linux" +
                   instead);
  return {};
}

// The annotations' part, without a look at whether they fit together.
Result<AgentPorts> annotated_ports(const Pod& pod, const api::AgentClassSpec& spec) {
  AgentPorts ports = spec.ports;
  if (auto taken = take_annotation(pod, api::kAmqpsPortAnnotation, ports.amqps); !taken)
    return taken.error();
  if (auto taken = take_annotation(pod, api::kHttpsPortAnnotation, ports.https); !taken)
    return taken.error();
  return ports;
}

}  // namespace

Result<AgentPorts> ports_of(const Pod& pod, const api::AgentClassSpec& spec) {
  const auto ports = annotated_ports(pod, spec);
  if (!ports) return ports.error();
  if (auto distinct = check_distinct(listeners_of(*ports, spec)); !distinct)
    return distinct.error();
  return *ports;
}

std::string default_class(const std::vector<AgentClass>& classes) {
  const AgentClass* oldest = nullptr;
  const auto age = [](const AgentClass& each) {
    return std::pair(each.metadata.created_at.value_or(Timestamp::max()), each.metadata.name);
  };
  for (const AgentClass& each : classes)
    if (each.metadata.annotation(api::kDefaultClassAnnotation) == "true" &&
        (oldest == nullptr || age(each) < age(*oldest)))
      oldest = &each;
  return oldest != nullptr ? oldest->metadata.name : std::string(api::kDefaultClassName);
}

Result<Admission> admit_pod(const Pod& pod,
                            const std::map<std::string, std::string>& namespace_labels,
                            const std::vector<AgentClass>& classes) {
  const auto wanted = wants_agent(pod, namespace_labels);
  if (!wanted) return wanted.error();
  if (!*wanted) return Admission{};
  if (auto placeable = check_placeable(pod); !placeable) return placeable.error();

  Admission admission;
  admission.inject = true;
  const std::string_view named = pod.metadata.annotation(api::kClassAnnotation);
  admission.class_name = named.empty() ? default_class(classes) : std::string(named);
  const auto spec = spec_of(admission.class_name, classes);
  if (!spec) return spec.error();
  if (!api::allows_namespace(*spec, pod.metadata.namespace_name))
    return refused("AgentClass " + admission.class_name + " does not allow namespace " +
                   pod.metadata.namespace_name +
                   ": add it to the class's allowedNamespaces, or choose another class by "
                   "annotation " +
                   std::string(api::kClassAnnotation));
  const auto ports = ports_of(pod, *spec);
  if (!ports) return ports.error();
  if (auto free = check_clashes(pod, listeners_of(*ports, *spec)); !free) return free.error();
  admission.ports = *ports;
  return admission;
}

}  // namespace pannier
