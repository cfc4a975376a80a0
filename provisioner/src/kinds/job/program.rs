//! Which program a job's pods run, where it is not the one of the image: a command's image is the
//! user's own and has no worker in it, a library's worker is the user's.

use serde_json::{Value, json};

use super::JobSpec;

/// Where pods of a command find the worker.
const FOLDER: &str = "/provision";
const VOLUME: &str = "provision";

impl JobSpec {
    /// Makes the pod run the right program. `local` stands for the worker's image where there is none.
    pub(super) fn put_program(&self, pod: &mut Value, local: &str) {
        if self.command.is_some() {
            carry_worker(pod, self.worker_image.as_deref().unwrap_or(local));
        }
        if let Some(library) = &self.library {
            pod["containers"][0]["command"] = json!([library.program]);
        }
    }
}

/// An init container copies the worker into a volume that the image of the user's shares. That image
/// stays as it is; of its file system only `/tmp` can be written to, so it is home as well.
fn carry_worker(pod: &mut Value, image: &str) {
    let worker = format!("{FOLDER}/worker");
    let mount = |read_only: bool| {
        let mut mount = json!({ "name": VOLUME, "mountPath": FOLDER });
        if read_only {
            mount["readOnly"] = true.into();
        }
        mount
    };
    let security = pod["containers"][0]["securityContext"].clone();
    pod["initContainers"] = json!([{
        "name": "install",
        "image": image,
        "args": ["install", worker],
        "securityContext": security,
        "volumeMounts": [mount(false)],
    }]);
    if let Some(volumes) = pod["volumes"].as_array_mut() {
        volumes.push(json!({ "name": VOLUME, "emptyDir": {} }));
    }
    let container = &mut pod["containers"][0];
    container["command"] = json!([worker]);
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.push(mount(true));
    }
    if let Some(variables) = container["env"].as_array_mut() {
        variables.push(json!({ "name": "HOME", "value": "/tmp" }));
    }
}

#[cfg(test)]
mod tests {
    use crate::kinds::job::tests::manifest_of;

    fn pod(job: &str) -> String {
        let mut pod = manifest_of(job)["spec"]["jobTemplate"]["spec"]["template"]["spec"].take();
        let container = &mut pod["containers"][0];
        for everywhere in ["resources", "securityContext"] {
            container.as_object_mut().expect("a container").remove(everywhere);
        }
        let env = container["env"].as_array().expect("variables");
        let own = env.iter().filter(|one| !one["name"].as_str().is_some_and(|n| n.starts_with("PROVISION_")));
        container["env"] = own.cloned().collect();
        let shown =
            ["initContainers", "containers", "volumes"].map(|part| format!("{part}: {:#}\n", pod[part]));
        shown.concat()
    }

    #[test]
    fn a_command_runs_in_an_image_that_knows_nothing_of_the_worker() {
        let job = "image = \"python:3.13-slim\"\nworker_image = \"registry.example/worker\"\n[job.fx.command]\nargv = [\"python3\", \"work.py\"]";
        insta::assert_snapshot!(pod(job), @r#"
        initContainers: [
          {
            "args": [
              "install",
              "/provision/worker"
            ],
            "image": "registry.example/worker",
            "name": "install",
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
                "mountPath": "/provision",
                "name": "provision"
              }
            ]
          }
        ]
        containers: [
          {
            "args": [
              "run"
            ],
            "command": [
              "/provision/worker"
            ],
            "env": [
              {
                "name": "HOME",
                "value": "/tmp"
              }
            ],
            "image": "python:3.13-slim",
            "name": "worker",
            "ports": [
              {
                "containerPort": 9090,
                "name": "metrics",
                "protocol": "TCP"
              }
            ],
            "volumeMounts": [
              {
                "mountPath": "/tmp",
                "name": "scratch"
              },
              {
                "mountPath": "/provision",
                "name": "provision",
                "readOnly": true
              }
            ]
          }
        ]
        volumes: [
          {
            "emptyDir": {},
            "name": "scratch"
          },
          {
            "emptyDir": {},
            "name": "provision"
          }
        ]
        "#);
    }

    #[test]
    fn a_library_is_a_worker_of_its_own() {
        let job = "image = \"registry.example/mine\"\n[job.fx.library]\nprogram = \"my-worker\"";
        insta::assert_snapshot!(pod(job), @r#"
        initContainers: null
        containers: [
          {
            "args": [
              "run"
            ],
            "command": [
              "my-worker"
            ],
            "env": [],
            "image": "registry.example/mine",
            "name": "worker",
            "ports": [
              {
                "containerPort": 9090,
                "name": "metrics",
                "protocol": "TCP"
              }
            ],
            "volumeMounts": [
              {
                "mountPath": "/tmp",
                "name": "scratch"
              }
            ]
          }
        ]
        volumes: [
          {
            "emptyDir": {},
            "name": "scratch"
          }
        ]
        "#);
    }
}
