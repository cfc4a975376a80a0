//! The cluster autoscaler: adds nodes for pods that nothing can hold and a fresh node could, and takes
//! nodes away that have had nothing to do for a while. The nodes of a pool in one zone are a group;
//! a group that got no machine is left alone for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use super::leaving::{SCALED_DOWN, is_leaving};
use super::pool::{self, LocationPolicy, POOL_LABEL, ZONE_LABEL};
use super::stock::Shortage;
use super::{Nodes, Sized, everything};

/// How long a node is idle, on Google's side, before it goes.
const IDLE: Duration = Duration::from_mins(10);
/// How long a group that got no machine is left alone: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_mins(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// After how long without a failure the first pause counts again.
const FORGIVEN: Duration = Duration::from_hours(3);

pub(crate) struct Autoscaler {
    nodes: Arc<Nodes>,
    idle_since: Mutex<HashMap<String, Timestamp>>,
    paused: Mutex<BTreeMap<Group, Pause>>,
    /// What a waiting pod was told last, by its uid.
    told: Mutex<HashMap<String, String>>,
}

/// The nodes of a pool in one zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    pool: String,
    zone: String,
}

#[derive(Clone, Copy)]
struct Pause {
    until: Timestamp,
    length: Duration,
}

/// Pods for which a group is to get nodes.
type Growth = BTreeMap<Group, Vec<Arc<Value>>>;

impl Autoscaler {
    pub(crate) fn new(nodes: &Arc<Nodes>) -> Self {
        Self {
            nodes: nodes.clone(),
            idle_since: Mutex::default(),
            paused: Mutex::default(),
            told: Mutex::default(),
        }
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
        let waits = self.scale_up();
        let idles = self.scale_down();
        let again = if waits { self.next_end_of_pause() } else { None };
        again.into_iter().chain(idles).min()
    }
}

impl Autoscaler {
    /// Adds nodes for pods that nothing can hold; tells whether pods still wait for a machine.
    fn scale_up(&self) -> bool {
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
            return false;
        }
        // Nodes that are on their way in hold pods too.
        let coming: Vec<Arc<Value>> =
            store.list(&NODE, None).iter().filter(|node| !is_leaving(node)).map(as_ready).collect();
        let mut rooms = rooms(&coming, &pods);
        let mut growth = Growth::new();
        for pod in waiting {
            let fitting = (0..rooms.len()).find(|at| fits(&pod, &rooms[*at], &rooms).is_ok());
            if let Some(at) = fitting {
                rooms[at].add(pod);
                continue;
            }
            match self.room_in_new_node(&pod, &rooms, &growth) {
                Ok((group, mut room)) => {
                    room.add(pod.clone());
                    rooms.push(room);
                    growth.entry(group).or_default().push(pod);
                }
                Err(why) => self.tell_refused(&pod, &why),
            }
        }
        let failed: Vec<bool> = growth.iter().map(|(group, pods)| self.grow(group, pods)).collect();
        // Other groups may have what a failed one has not.
        if failed.contains(&true) { self.scale_up() } else { !self.paused().is_empty() }
    }

    /// A fresh node of a group that could hold a pod, or why none can.
    fn room_in_new_node(
        &self,
        pod: &Value,
        rooms: &[Room],
        growth: &Growth,
    ) -> Result<(Group, Room), Vec<String>> {
        let pools: Vec<Sized> = self.nodes.state().pools.values().cloned().collect();
        let mut why = Vec::new();
        for mut sized in pools.into_iter().filter(|sized| sized.pool.autoscaling.is_some()) {
            for (group, more) in growth.iter().filter(|(group, _)| group.pool == sized.pool.name) {
                let more = u32::try_from(more.len()).unwrap_or(u32::MAX);
                let target = sized.targets.entry(group.zone.clone()).or_default();
                *target = target.saturating_add(more);
            }
            for zone in self.zones_in_order(&sized) {
                let name = format!("fresh-{}-{}", sized.pool.name, rooms.len());
                let Some(node) = sized.pool.node(&name, &zone, self.nodes.clock.now()) else { continue };
                let room = Room::of(as_ready(&Arc::new(node)));
                let group = Group { pool: sized.pool.name.clone(), zone };
                match fits(pod, &room, rooms) {
                    Err(misfit) => why.extend(misfit.reasons),
                    Ok(()) if self.is_paused(&group) => why.push("in backoff after failed scale-up".into()),
                    Ok(()) if !sized.pool.may_grow(&sized.targets, &group.zone) => {
                        why.push("max node group size reached".into());
                    }
                    Ok(()) => return Ok((group, room)),
                }
            }
        }
        Err(why)
    }

    /// The zones of a pool, the best for its next node first.
    fn zones_in_order(&self, sized: &Sized) -> Vec<String> {
        let mut zones = sized.pool.zones.clone();
        zones.sort_by_key(|zone| {
            let is_out = sized.pool.location_policy == LocationPolicy::Any
                && self.nodes.shortage(&sized.pool, zone).is_some();
            (is_out, sized.targets.get(zone).copied().unwrap_or(0))
        });
        zones
    }

    /// Asks for a node for each pod; true if there are none to be had.
    fn grow(&self, group: &Group, pods: &[Arc<Value>]) -> bool {
        let Group { pool, zone } = group;
        let sizing = self.nodes.sizing();
        let grown = {
            let mut state = self.nodes.state();
            let Some(sized) = state.pools.get_mut(pool) else { return false };
            let before = sized.targets.get(zone).copied().unwrap_or(0);
            for _ in pods {
                if sized.pool.may_grow(&sized.targets, zone) {
                    *sized.targets.entry(zone.clone()).or_default() += 1;
                }
            }
            (sized.clone(), before)
        };
        let (mut sized, before) = grown;
        let after = sized.targets.get(zone).copied().unwrap_or(before);
        let most = sized.pool.autoscaling.map_or(after, |limits| limits.max_nodes);
        let name = pool::group_name(&self.nodes.cluster, pool, zone);
        let message = format!("pod triggered scale-up: [{{{name}-grp {before}->{after} (max: {most})}}]");
        for pod in pods {
            self.nodes.recorder.normal(&POD, pod, "TriggeredScaleUp", &message);
        }
        let shortage = self.nodes.shortage(&sized.pool, zone);
        if let Some(shortage) = shortage {
            sized.targets.insert(zone.clone(), before);
            if let Some(held) = self.nodes.state().pools.get_mut(pool) {
                held.targets.insert(zone.clone(), before);
            }
            self.pause(group, shortage, pods);
        }
        self.nodes.keep(&sized);
        drop(sizing);
        self.nodes.fill();
        shortage.is_some()
    }

    /// Leaves a group alone that got no machine, and tells the pods that waited for it.
    fn pause(&self, group: &Group, shortage: Shortage, pods: &[Arc<Value>]) {
        let message = format!(
            "Node scale up in zones {} associated with this pod failed: {}. Pod is at risk of not being scheduled.",
            group.zone,
            shortage.told()
        );
        for pod in pods {
            self.nodes.recorder.warning(&POD, pod, "FailedScaleUp", &message);
        }
        let clock = &self.nodes.clock;
        let now = clock.now();
        let mut paused = self.paused();
        let forgiven = |pause: &Pause| pause.until + clock.scaled(FORGIVEN) < now;
        let length = match paused.get(group) {
            Some(last) if !forgiven(last) => (last.length * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        paused.insert(group.clone(), Pause { until: now + clock.scaled(length), length });
    }

    fn is_paused(&self, group: &Group) -> bool {
        let now = self.nodes.clock.now();
        self.paused().get(group).is_some_and(|pause| pause.until > now)
    }

    fn next_end_of_pause(&self) -> Option<Timestamp> {
        let now = self.nodes.clock.now();
        self.paused().values().map(|pause| pause.until).filter(|until| *until > now).min()
    }

    fn paused(&self) -> MutexGuard<'_, BTreeMap<Group, Pause>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_refused(&self, pod: &Value, why: &[String]) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in why {
            *counts.entry(reason).or_default() += 1;
        }
        let told: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let message = format!("pod didn't trigger scale-up: {}", told.join(", "));
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
            let Some((pool, zone)) = label(node, POOL_LABEL).zip(label(node, ZONE_LABEL)) else { continue };
            let may_shrink = nodes
                .state()
                .pools
                .get(pool)
                .is_some_and(|sized| sized.pool.may_shrink(&sized.targets, zone));
            if !may_shrink || is_busy(name) {
                continue;
            }
            let at = *idle.entry(name.into()).or_insert(now) + nodes.clock.scaled(IDLE);
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else {
                self.take_away(pool, zone, name);
            }
        }
        next
    }

    fn take_away(&self, pool: &str, zone: &str, name: &str) {
        let nodes = &self.nodes;
        let key = Key::new(&NODE, "", name);
        nodes.store.amend(&key, |node| pool::add_taint(node, SCALED_DOWN));
        if !nodes.pods_on(name).is_empty() {
            // The scheduler was faster: the node stays.
            nodes.store.amend(&key, |node| pool::remove_taint(node, SCALED_DOWN));
            return;
        }
        let _sizing = nodes.sizing();
        let shrunk = nodes.state().pools.get_mut(pool).and_then(|sized| {
            sized.pool.may_shrink(&sized.targets, zone).then(|| {
                sized.targets.entry(zone.to_owned()).and_modify(|target| *target = target.saturating_sub(1));
                sized.clone()
            })
        });
        let Some(sized) = shrunk else {
            // Its limits have changed meanwhile.
            nodes.store.amend(&key, |node| pool::remove_taint(node, SCALED_DOWN));
            return;
        };
        nodes.keep(&sized);
        if let Some(node) = nodes.store.get(&key) {
            nodes.recorder.normal(&NODE, &node, "ScaleDown", "node removed by cluster autoscaler");
        }
        nodes.remove(name);
    }
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
