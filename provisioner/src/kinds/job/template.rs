//! The template of a job's runs as a manifest: where workers are placed, what they may use, what
//! they are told. The rest stands in `manifests/job.yaml`.

use anyhow::{Context as _, Result};
use contract::environment;
use serde_json::{Value, json};

use super::{JOB, JobSpec};
use crate::kinds::machine::{Allocatable, allocatable};
use crate::kinds::manifest;
use crate::kinds::node_pool::{POOL, SPOT};
use crate::stack::Scope;

/// Stands for the `worker` beside `provision`, which the local cloud runs whatever the image.
const LOCAL_IMAGE: &str = "provision.local/worker";

impl JobSpec {
    /// The suspended `CronJob` that runs are made from.
    pub(super) fn manifest(&self, key: &str, scope: &Scope) -> Result<Value> {
        let facts = scope.pools.get(&self.pool).with_context(|| format!("no pool {}", self.pool))?;
        let (_, pool) = self.pool.split_once('/').unwrap_or(("", &self.pool));
        let mut manifest = manifest::read(include_str!("../../../../manifests/job.yaml"))?;
        manifest["metadata"]["name"] = key.into();
        manifest["metadata"]["namespace"] = scope.prefix.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);

        let template = &mut manifest["spec"]["jobTemplate"];
        template["spec"]["activeDeadlineSeconds"] = self.max_run_time.get().into();
        for metadata in ["/metadata", "/spec/template/metadata"] {
            let labels = manifest::marks(&scope.owner).into_iter().chain([(JOB, key)]);
            let labels = json!(labels.collect::<std::collections::BTreeMap<_, _>>());
            match template.pointer_mut(metadata) {
                Some(metadata) => metadata["labels"] = labels,
                None => template["metadata"] = json!({ "labels": labels }),
            }
        }
        let pod = &mut template["spec"]["template"]["spec"];
        pod["serviceAccountName"] = key.into();
        pod["nodeSelector"] = json!({ POOL: pool });
        if facts.spot {
            pod["nodeSelector"][SPOT] = "true".into();
            pod["tolerations"] =
                json!([{ "key": SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule" }]);
        }
        let grace = self.grace.get();
        pod["terminationGracePeriodSeconds"] = grace.into();
        let container = &mut pod["containers"][0];
        container["image"] = self.image.as_deref().unwrap_or(LOCAL_IMAGE).into();
        container["resources"] = self.resources_of_a_worker(allocatable(&facts.machine_type));
        let metrics = container["ports"][0]["containerPort"].as_u64();
        let metrics = metrics.context("internal error: the manifest of a job names no port")?;
        container["env"] = self.environment(scope, grace, metrics);
        self.put_program(pod, LOCAL_IMAGE);
        Ok(manifest)
    }

    /// One worker fills a node: over half of its CPU, and three quarters of its memory, which leaves
    /// room for the system's own pods. Memory is limited to what was asked for; CPU is not limited.
    fn resources_of_a_worker(&self, node: Option<Allocatable>) -> Value {
        let cpu = self.cpu_millis.or(node.map(|node| node.cpu_millis * 55 / 100)).unwrap_or(500);
        let memory = self.memory_mib.or(node.map(|node| node.memory_mib * 75 / 100)).unwrap_or(512);
        // Kubernetes writes whole CPUs without the `m`, and would show a difference for ever.
        let cpu = if cpu.is_multiple_of(1000) { format!("{}", cpu / 1000) } else { format!("{cpu}m") };
        let memory =
            if memory.is_multiple_of(1024) { format!("{}Gi", memory / 1024) } else { format!("{memory}Mi") };
        json!({ "requests": { "cpu": cpu, "memory": memory }, "limits": { "memory": memory } })
    }

    /// What every run of the job has in common; the run itself adds its name.
    fn environment(&self, scope: &Scope, grace: u64, metrics: u64) -> Value {
        let topic =
            scope.topic_of.get(&self.subscription).map(|topic| scope.topic(topic)).unwrap_or_default();
        let lease = scope.lease_of.get(&self.subscription).copied().unwrap_or(60);
        let backoff = scope.backoff_of.get(&self.subscription).copied().unwrap_or(60);
        let field = |path: &str| json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": path } });
        let plain = [
            (environment::BUCKET, scope.name("bucket", &self.bucket)),
            (environment::SUBSCRIPTION, scope.subscription(&self.subscription)),
            (environment::TOPIC, topic),
            (environment::CONCURRENCY, self.concurrency.to_string()),
            (environment::LEASE_SECONDS, lease.to_string()),
            (environment::BACKOFF_SECONDS, backoff.to_string()),
            (environment::GRACE_SECONDS, grace.to_string()),
            (environment::METRICS_PORT, metrics.to_string()),
        ];
        let plain = plain.into_iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let of_the_pod = [
            (environment::RUN, "metadata.labels['batch.kubernetes.io/job-name']"),
            (environment::POD, "metadata.name"),
            (environment::NODE, "spec.nodeName"),
        ];
        let of_the_pod =
            of_the_pod.into_iter().map(|(name, path)| json!({ "name": name, "valueFrom": field(path) }));
        plain.chain(of_the_pod).chain(self.secret_variables(scope)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::kinds::job::tests::manifest;

    fn pod(pool: &str, job: &str) -> Value {
        manifest(pool, job)["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone()
    }

    #[test]
    fn workers_of_a_spot_pool_ask_for_spot_nodes_and_bear_their_taint() {
        let pod = pod("spot = true", "");
        let expected = json!({
            "cloud.google.com/gke-nodepool": "workers",
            "cloud.google.com/gke-spot": "true",
        });
        assert_eq!(pod["nodeSelector"], expected);
        let taint = json!({
            "key": "cloud.google.com/gke-spot",
            "operator": "Equal",
            "value": "true",
            "effect": "NoSchedule",
        });
        assert_eq!(pod["tolerations"], json!([taint]));
    }

    #[test]
    fn workers_of_a_steady_pool_ask_for_their_pool_alone() {
        let pod = pod("", "");
        assert_eq!(pod["nodeSelector"], json!({ "cloud.google.com/gke-nodepool": "workers" }));
        assert_eq!(pod["tolerations"], Value::Null);
    }

    #[test]
    fn one_worker_fills_a_node() {
        let resources = pod("machine_type = \"e2-standard-2\"", "")["containers"][0]["resources"].clone();
        // Of 1930m and 6249Mi: two such workers do not fit.
        let expected = json!({
            "requests": { "cpu": "1061m", "memory": "4686Mi" },
            "limits": { "memory": "4686Mi" },
        });
        assert_eq!(resources, expected);
    }

    #[test]
    fn a_job_may_say_how_much_a_worker_uses() {
        let job = "cpu_millis = 2000\nmemory_mib = 4096";
        let expected = json!({ "requests": { "cpu": "2", "memory": "4Gi" }, "limits": { "memory": "4Gi" } });
        assert_eq!(pod("", job)["containers"][0]["resources"], expected);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "the template is shown whole")]
    fn the_whole_template() {
        let manifest = serde_json::to_string_pretty(&manifest("spot = true", "")).expect("JSON");
        insta::assert_snapshot!(manifest, @r#"
        {
          "apiVersion": "batch/v1",
          "kind": "CronJob",
          "metadata": {
            "labels": {
              "app.kubernetes.io/managed-by": "provision",
              "app.kubernetes.io/part-of": "fx"
            },
            "name": "fx",
            "namespace": "fx"
          },
          "spec": {
            "concurrencyPolicy": "Allow",
            "failedJobsHistoryLimit": 1000,
            "jobTemplate": {
              "metadata": {
                "labels": {
                  "app.kubernetes.io/managed-by": "provision",
                  "app.kubernetes.io/part-of": "fx",
                  "provision/job": "fx"
                }
              },
              "spec": {
                "activeDeadlineSeconds": 86400,
                "backoffLimitPerIndex": 1000,
                "completionMode": "Indexed",
                "completions": 1,
                "parallelism": 1,
                "podFailurePolicy": {
                  "rules": [
                    {
                      "action": "FailJob",
                      "onExitCodes": {
                        "operator": "In",
                        "values": [
                          78
                        ]
                      }
                    },
                    {
                      "action": "Ignore",
                      "onPodConditions": [
                        {
                          "status": "True",
                          "type": "DisruptionTarget"
                        }
                      ]
                    },
                    {
                      "action": "Ignore",
                      "onExitCodes": {
                        "operator": "In",
                        "values": [
                          143
                        ]
                      }
                    }
                  ]
                },
                "podReplacementPolicy": "Failed",
                "template": {
                  "metadata": {
                    "annotations": {
                      "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"
                    },
                    "labels": {
                      "app.kubernetes.io/managed-by": "provision",
                      "app.kubernetes.io/part-of": "fx",
                      "provision/job": "fx"
                    }
                  },
                  "spec": {
                    "automountServiceAccountToken": false,
                    "containers": [
                      {
                        "args": [
                          "run"
                        ],
                        "env": [
                          {
                            "name": "PROVISION_BUCKET",
                            "value": "my-project-fx-data"
                          },
                          {
                            "name": "PROVISION_SUBSCRIPTION",
                            "value": "projects/my-project/subscriptions/fx-work"
                          },
                          {
                            "name": "PROVISION_TOPIC",
                            "value": "projects/my-project/topics/fx-items"
                          },
                          {
                            "name": "PROVISION_CONCURRENCY",
                            "value": "1"
                          },
                          {
                            "name": "PROVISION_LEASE_SECONDS",
                            "value": "60"
                          },
                          {
                            "name": "PROVISION_BACKOFF_SECONDS",
                            "value": "60"
                          },
                          {
                            "name": "PROVISION_GRACE_SECONDS",
                            "value": "15"
                          },
                          {
                            "name": "PROVISION_METRICS_PORT",
                            "value": "9090"
                          },
                          {
                            "name": "PROVISION_RUN",
                            "valueFrom": {
                              "fieldRef": {
                                "apiVersion": "v1",
                                "fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"
                              }
                            }
                          },
                          {
                            "name": "PROVISION_POD",
                            "valueFrom": {
                              "fieldRef": {
                                "apiVersion": "v1",
                                "fieldPath": "metadata.name"
                              }
                            }
                          },
                          {
                            "name": "PROVISION_NODE",
                            "valueFrom": {
                              "fieldRef": {
                                "apiVersion": "v1",
                                "fieldPath": "spec.nodeName"
                              }
                            }
                          }
                        ],
                        "image": "provision.local/worker",
                        "name": "worker",
                        "ports": [
                          {
                            "containerPort": 9090,
                            "name": "metrics",
                            "protocol": "TCP"
                          }
                        ],
                        "resources": {
                          "limits": {
                            "memory": "4686Mi"
                          },
                          "requests": {
                            "cpu": "1061m",
                            "memory": "4686Mi"
                          }
                        },
                        "securityContext": {
                          "allowPrivilegeEscalation": false,
                          "capabilities": {
                            "drop": [
                              "ALL"
                            ]
                          },
                          "readOnlyRootFilesystem": true
                        },
                        "volumeMounts": [
                          {
                            "mountPath": "/tmp",
                            "name": "scratch"
                          }
                        ]
                      }
                    ],
                    "enableServiceLinks": false,
                    "nodeSelector": {
                      "cloud.google.com/gke-nodepool": "workers",
                      "cloud.google.com/gke-spot": "true"
                    },
                    "restartPolicy": "Never",
                    "securityContext": {
                      "fsGroup": 65532,
                      "runAsGroup": 65532,
                      "runAsNonRoot": true,
                      "runAsUser": 65532,
                      "seccompProfile": {
                        "type": "RuntimeDefault"
                      }
                    },
                    "serviceAccountName": "fx",
                    "terminationGracePeriodSeconds": 15,
                    "tolerations": [
                      {
                        "effect": "NoSchedule",
                        "key": "cloud.google.com/gke-spot",
                        "operator": "Equal",
                        "value": "true"
                      }
                    ],
                    "volumes": [
                      {
                        "emptyDir": {},
                        "name": "scratch"
                      }
                    ]
                  }
                }
              }
            },
            "schedule": "0 0 31 2 *",
            "successfulJobsHistoryLimit": 1000,
            "suspend": true
          }
        }
        "#);
    }
}
