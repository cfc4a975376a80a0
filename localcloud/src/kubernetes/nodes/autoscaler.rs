//! The cluster autoscaler: adds nodes for pods that nothing can hold and a fresh node could, and takes
//! nodes away that have had nothing to do for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::super::controllers::Controller;
use super::super::kinds::{NODE, POD};
use super::super::object::{self, condition, is_condition_true, is_terminal, label, text};
use super::super::scheduler::filter::fits;
use super::super::scheduler::is_pending;
use super::super::scheduler::room::{Room, rooms};
use super::super::store::{Change, Key};
use super::pool::{self, Autoscaling, POOL_LABEL};
use super::{LEAVING, Nodes, Sized, everything};

/// How long a node is idle, on Google's side, before it goes.
const IDLE: Duration = Duration::from_mins(10);
const GOING: &str = "ToBeDeletedByClusterAutoscaler";

pub(crate) struct Autoscaler {
    nodes: Arc<Nodes>,
    idle_since: Mutex<HashMap<String, Timestamp>>,
    /// What a waiting pod was told last, by its uid.
    told: Mutex<HashMap<String, String>>,
}

impl Autoscaler {
    pub(crate) fn new(nodes: &Arc<Nodes>) -> Self {
        Self { nodes: nodes.clone(), idle_since: Mutex::default(), told: Mutex::default() }
    }
}

impl Controller for Autoscaler {
    fn concerns(&self, change: &Change) -> Vec<Key> {
        let is_ours = change.key.kind == &POD || change.key.kind == &NODE;
        if is_ours { vec![everything()] } else { vec![] }
    }

    fn all(&self) -> Vec<Key> {
        vec![everything()]
    }

    fn reconcile(&self, _: &Key) -> Option<Timestamp> {
        self.scale_up();
        self.scale_down()
    }
}

impl Autoscaler {
    fn scale_up(&self) {
        let store = &self.nodes.store;
        let pods = store.list(&POD, None);
        let waiting = pods.iter().filter(|pod| {
            is_pending(pod)
                && condition(pod, "PodScheduled").is_some_and(|told| text(told, "/reason") == "Unschedulable")
        });
        let waiting: Vec<Arc<Value>> = waiting.cloned().collect();
        let is_waiting = |uid: &String| waiting.iter().any(|pod| object::uid(pod) == uid);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| is_waiting(uid));
        if waiting.is_empty() {
            return;
        }
        // Nodes that are on their way in hold pods too.
        let coming: Vec<Arc<Value>> =
            store.list(&NODE, None).iter().filter(|node| !is_leaving(node)).map(as_ready).collect();
        let mut rooms = rooms(&coming, &pods);
        let mut grown: BTreeMap<String, Vec<Arc<Value>>> = BTreeMap::new();
        for pod in waiting {
            let fitting = (0..rooms.len()).find(|at| fits(&pod, &rooms[*at], &rooms).is_ok());
            if let Some(at) = fitting {
                rooms[at].add(pod);
                continue;
            }
            match self.room_in_new_node(&pod, &rooms, &grown) {
                Ok((pool, mut room)) => {
                    room.add(pod.clone());
                    rooms.push(room);
                    grown.entry(pool).or_default().push(pod);
                }
                Err(why) => self.tell_refused(&pod, &why),
            }
        }
        for (pool, pods) in grown {
            self.grow(&pool, &pods);
        }
    }

    /// A fresh node of a pool that could hold a pod, or why none can.
    fn room_in_new_node(
        &self,
        pod: &Value,
        rooms: &[Room],
        grown: &BTreeMap<String, Vec<Arc<Value>>>,
    ) -> Result<(String, Room), Vec<String>> {
        let pools: Vec<Sized> = self.nodes.state().pools.values().cloned().collect();
        let mut why = Vec::new();
        for (sized, scaling) in pools.iter().filter_map(|sized| Some((sized, sized.pool.autoscaling?))) {
            let name = format!("fresh-{}-{}", sized.pool.name, rooms.len());
            let Some(node) = sized.pool.node(&name, self.nodes.clock.now()) else { continue };
            let room = Room::of(as_ready(&Arc::new(node)));
            let more = grown.get(&sized.pool.name).map_or(0, Vec::len);
            match fits(pod, &room, rooms) {
                Err(misfit) => why.extend(misfit.reasons),
                Ok(()) if is_full(sized, scaling, more) => why.push("max node group size reached".into()),
                Ok(()) => return Ok((sized.pool.name.clone(), room)),
            }
        }
        Err(why)
    }

    fn grow(&self, pool: &str, pods: &[Arc<Value>]) {
        let grown = {
            let mut state = self.nodes.state();
            let Some(sized) = state.pools.get_mut(pool) else { return };
            let before = sized.target;
            let most = sized.pool.autoscaling.map_or(before, |scaling| scaling.max_nodes);
            sized.target =
                before.saturating_add(u32::try_from(pods.len()).unwrap_or(u32::MAX)).min(most).max(before);
            (sized.clone(), before, most)
        };
        let (sized, before, most) = grown;
        self.nodes.keep(&sized);
        self.nodes.fill();
        let group = pool::node_name(&self.nodes.cluster, pool, 0);
        let group = group.rsplit_once('-').map_or(group.as_str(), |(group, _)| group);
        let message =
            format!("pod triggered scale-up: [{{{group}-grp {before}->{} (max: {most})}}]", sized.target);
        for pod in pods {
            self.nodes.recorder.normal(&POD, pod, "TriggeredScaleUp", &message);
        }
    }

    fn tell_refused(&self, pod: &Value, why: &[String]) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in why {
            *counts.entry(reason).or_default() += 1;
        }
        let told: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let message = if told.is_empty() {
            "pod didn't trigger scale-up: ".to_owned()
        } else {
            format!("pod didn't trigger scale-up: {}", told.join(", "))
        };
        let uid = object::uid(pod).to_owned();
        let before = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, message.clone());
        if before.as_ref() != Some(&message) {
            self.nodes.recorder.normal(&POD, pod, "NotTriggerScaleUp", &message);
        }
    }

    /// Takes nodes away that were idle for long enough; the time at which the next will have been.
    fn scale_down(&self) -> Option<Timestamp> {
        let nodes = &self.nodes;
        let now = nodes.clock.now();
        let pods = nodes.store.list(&POD, None);
        let is_busy =
            |name: &str| pods.iter().any(|pod| text(pod, "/spec/nodeName") == name && !is_terminal(pod));
        let mut next: Option<Timestamp> = None;
        let all = nodes.store.list(&NODE, None);
        let mut idle = self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|name, _| all.iter().any(|node| object::name(node) == name) && !is_busy(name));
        for node in all.iter().filter(|node| is_condition_true(node, "Ready") && !is_leaving(node)) {
            let name = object::name(node);
            let Some(pool) = label(node, POOL_LABEL) else { continue };
            let can_shrink = nodes.state().pools.get(pool).is_some_and(|sized| {
                sized.pool.autoscaling.is_some_and(|scaling| sized.target > scaling.min_nodes)
            });
            if !can_shrink || is_busy(name) {
                continue;
            }
            let at = *idle.entry(name.into()).or_insert(now) + nodes.clock.scaled(IDLE);
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else {
                self.take_away(pool, name);
            }
        }
        next
    }

    fn take_away(&self, pool: &str, name: &str) {
        let nodes = &self.nodes;
        let key = Key::new(&NODE, "", name);
        nodes.store.amend(&key, |node| pool::add_taint(node, GOING));
        let has_pods = nodes
            .store
            .list(&POD, None)
            .iter()
            .any(|pod| text(pod, "/spec/nodeName") == name && !is_terminal(pod));
        if has_pods {
            // The scheduler was faster: the node stays.
            nodes.store.amend(&key, |node| pool::remove_taint(node, GOING));
            return;
        }
        if let Some(node) = nodes.store.get(&key) {
            nodes.recorder.normal(&NODE, &node, "ScaleDown", "node removed by cluster autoscaler");
        }
        let _sizing = nodes.sizing();
        let shrunk = nodes.state().pools.get_mut(pool).map(|sized| {
            sized.target = sized.target.saturating_sub(1);
            sized.clone()
        });
        if let Some(sized) = shrunk {
            nodes.keep(&sized);
        }
        nodes.remove(name);
    }
}

fn is_full(sized: &Sized, scaling: Autoscaling, more: usize) -> bool {
    usize::try_from(sized.target).unwrap_or(usize::MAX).saturating_add(more)
        >= usize::try_from(scaling.max_nodes).unwrap_or(usize::MAX)
}

fn is_leaving(node: &Value) -> bool {
    object::list(node, "/spec/taints").iter().any(|taint| matches!(text(taint, "/key"), LEAVING | GOING))
}

/// A node as it will be once it is ready.
fn as_ready(node: &Arc<Value>) -> Arc<Value> {
    if is_condition_true(node, "Ready") {
        return node.clone();
    }
    let mut ready = Value::clone(node);
    pool::show_ready(&mut ready, true, Timestamp::UNIX_EPOCH);
    Arc::new(ready)
}
