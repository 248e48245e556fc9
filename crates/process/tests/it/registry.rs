//! Registries: who holds a key, when it is free again, who is told, and what keys of a user's own may do.

use crate::puppet::{Order, ask, puppet, puppet_seat};
use crate::support::{
    Journal, ended, everywhere, idler, incarnate, inside, mortal, oops, seeds, settle, step_aside, threads,
};
use freeboard_process::sync::Mutex;
use freeboard_process::{
    Addr, Context, Dropped, Event, ExitReason, KEYS_PER_PROCESS, Node, Pid, Policy, Recipient, RegisterError, Registry,
    RegistryEvent, Reply, Sim,
};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

type Rooms = Registry<String, Order>;

async fn register(rooms: &Rooms, who: &Addr<Order>, key: &str) -> Result<(), RegisterError> {
    let (rooms, key) = (rooms.clone(), key.to_owned());
    ask(who, move |cx| rooms.register(cx, key.clone())).await
}

async fn unregister(rooms: &Rooms, who: &Addr<Order>, key: &str) -> bool {
    let (rooms, key) = (rooms.clone(), key.to_owned());
    ask(who, move |cx| rooms.unregister(cx, &key)).await
}

fn taken<M: Send + 'static>(owner: &Addr<M>) -> Result<(), RegisterError> {
    Err(RegisterError::Taken { owner: owner.pid().unwrap() })
}

fn all<K, M>(registry: &Registry<K, M>, key: &K) -> Vec<Addr<M>>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    M: Send + 'static,
{
    let mut all = Vec::new();
    let count = registry.dispatch(key, |owner| all.push(owner.clone()));
    assert_eq!(count, all.len());
    all
}

// OTP: J1, J3
#[test]
fn a_unique_key_has_one_owner_and_a_second_one_is_told_who() {
    seeds(async |node| {
        let (rooms, others) = (Rooms::unique(&node), Rooms::unique(&node));
        let (one, two) = (puppet(&node), puppet(&node));
        register(&rooms, &one, "a").await.unwrap();
        assert_eq!(register(&rooms, &two, "a").await, taken(&one));
        assert_eq!(register(&rooms, &one, "a").await, taken(&one), "its own key is taken as well");
        register(&rooms, &one, "b").await.unwrap();
        register(&rooms, &two, "c").await.unwrap();
        assert_eq!((rooms.lookup("a"), rooms.owner("b")), (Some(one.clone()), one.pid()));
        assert_eq!((rooms.lookup("c"), rooms.lookup("d")), (Some(two.clone()), None));
        assert_eq!((rooms.keys(), rooms.len()), (vec!["a".into(), "b".into(), "c".into()], 3));
        // Another registry knows nothing of this one, nor do the node's names.
        register(&others, &two, "a").await.unwrap();
        assert_eq!((others.keys(), node.names_held()), (vec!["a".to_owned()], 0));
        one.kill();
        settle(&node).await;
        assert_eq!((rooms.lookup("a"), rooms.keys(), others.lookup("a")), (None, vec!["c".into()], Some(two)));
    });
}

// OTP: J2
#[test]
fn a_key_is_given_back_by_its_owner_only() {
    seeds(async |node| {
        let rooms = Rooms::unique(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        assert!(!unregister(&rooms, &one, "a").await);
        register(&rooms, &one, "a").await.unwrap();
        assert!(!unregister(&rooms, &two, "a").await);
        assert_eq!((one.ties().keys, two.ties().keys), (1, 0));
        assert!(unregister(&rooms, &one, "a").await);
        assert!(!unregister(&rooms, &one, "a").await);
        assert!(rooms.is_empty());
        register(&rooms, &two, "a").await.unwrap();
        // What the first one gave back is no more its own: its end leaves it alone.
        one.kill();
        settle(&node).await;
        assert_eq!(rooms.lookup("a"), Some(two));
    });
}

// OTP: J3
#[test]
fn of_many_that_claim_one_key_exactly_one_has_it_and_the_others_hear_who() {
    async fn contest(node: &Node) {
        const CLAIMANTS: usize = 8;
        let (registry, told) = (Registry::<&str, ()>::unique(node), Journal::new());
        let claimants: Vec<Addr<()>> = (0..CLAIMANTS)
            .map(|_| {
                let (registry, told) = (registry.clone(), told.clone());
                node.spawn(async move |cx: Context<()>| {
                    step_aside().await;
                    told.note((cx.pid(), registry.register(&cx, "n")));
                    std::future::pending().await
                })
            })
            .collect();
        while told.len() < CLAIMANTS {
            step_aside().await;
        }
        let owner = registry.owner("n").unwrap();
        for (who, came_to) in told.take() {
            let expected = if who == owner { Ok(()) } else { Err(RegisterError::Taken { owner }) };
            assert_eq!(came_to, expected);
        }
        for claimant in claimants {
            claimant.kill();
            claimant.closed().await;
        }
        assert!(registry.is_empty());
    }
    seeds(async |node| contest(&node).await);
    threads(async |node| {
        for _ in 0..100 {
            contest(&node).await;
        }
    });
}

// OTP: A9, J1
#[test]
fn whoever_hears_of_an_owners_death_can_have_its_key_at_once() {
    async fn inherit(node: &Node) {
        let (registry, got) = (Registry::<u8, Result<ExitReason, Reply<()>>>::unique(node), Journal::new());
        let holding = registry.clone();
        let owner = node.spawn(async move |mut cx: Context<Result<ExitReason, Reply<()>>>| {
            holding.register(&cx, 7)?;
            loop {
                match cx.recv_message().await {
                    Ok(reason) => return Err(reason),
                    Err(reply) => reply.send(()),
                }
            }
        });
        owner.call(Err).forever().await.unwrap();
        let (target, registry, journal) = (owner.clone(), registry.clone(), got.clone());
        let heir = node.spawn(async move |mut cx: Context<Result<ExitReason, Reply<()>>>| {
            cx.monitor(&target);
            if let Err(reply) = cx.recv_message().await {
                reply.send(());
            }
            cx.recv_event_where(|event| matches!(event, Event::Down(_))).await;
            journal.note((registry.len(), registry.register(&cx, 7)));
            Ok(())
        });
        heir.call(Err).forever().await.unwrap();
        owner.cast(Ok(oops("x")));
        heir.closed().await;
        assert_eq!(got.take(), [(0, Ok(()))]);
    }
    everywhere(inherit);
}

// OTP: J1
#[test]
fn each_incarnation_registers_anew() {
    seeds(async |node| {
        let (rooms, launcher) = (Rooms::unique(&node), puppet_seat());
        let addr = launcher.addr();
        for _ in 0..3 {
            incarnate(&node, &launcher);
            assert_eq!(rooms.lookup("a"), None);
            register(&rooms, &addr, "a").await.unwrap();
            assert_eq!(rooms.lookup("a"), Some(addr.clone()));
            addr.kill();
            settle(&node).await;
            assert!(rooms.is_empty());
        }
    });
}

#[test]
fn only_a_living_process_of_the_registrys_node_can_hold_a_key() {
    let foreign = Sim::seed(1).run(async |node: Node| Rooms::unique(&node));
    seeds(async |node| {
        let rooms = Rooms::unique(&node);
        // A context that outlives its process.
        let escaped = Arc::new(Mutex::new(None));
        let hand_out = Arc::clone(&escaped);
        let brief = node.spawn(async move |cx: Context<Order>| {
            *hand_out.lock() = Some(cx);
            Ok(())
        });
        ended(&node, &brief).await;
        let escaped = escaped.lock().take().unwrap();
        assert_eq!(rooms.register(&escaped, "a".into()), Err(RegisterError::NotRunning));
        assert!(!rooms.unregister(&escaped, "a"));
        let living = puppet(&node);
        assert_eq!(register(&foreign, &living, "a").await, Err(RegisterError::NotRunning));
        assert!(rooms.is_empty() && foreign.is_empty());
    });
}

#[test]
fn keys_are_bounded_in_number_over_all_registries() {
    Sim::seed(1).run(async |node: Node| {
        let (first, second) = (Registry::<usize, Order>::unique(&node), Registry::<usize, Order>::duplicate(&node));
        let (one, two) = (puppet(&node), puppet(&node));
        let (a, b) = (first.clone(), second.clone());
        let came_to = ask(&one, move |cx| {
            (1..KEYS_PER_PROCESS).for_each(|key| a.register(cx, key).unwrap());
            (b.register(cx, 0), a.register(cx, 0), b.register(cx, 1), a.register(cx, 1))
        });
        let many = Err(RegisterError::TooMany);
        assert_eq!(came_to.await, (Ok(()), many, many, taken(&one)));
        let a = first.clone();
        ask(&two, move |cx| a.register(cx, 0)).await.unwrap();
        let (a, b) = (first.clone(), second.clone());
        ask(&one, move |cx| a.unregister(cx, &7) && b.register(cx, 1).is_ok()).await;
        assert_eq!(one.ties().keys, KEYS_PER_PROCESS);
        one.kill();
        settle(&node).await;
        assert_eq!((first.keys(), second.len()), (vec![0], 0));
    });
}

// OTP: J6
#[test]
fn a_duplicate_key_has_many_owners_each_of_them_once_in_their_order() {
    seeds(async |node| {
        let rooms = Rooms::duplicate(&node);
        let owners: Vec<_> = (0..5).map(|_| puppet(&node)).collect();
        for owner in &owners {
            register(&rooms, owner, "a").await.unwrap();
        }
        assert_eq!(register(&rooms, &owners[2], "a").await, taken(&owners[2]), "only its own place is taken");
        assert_eq!(all(&rooms, &"a".into()), owners);
        assert_eq!((rooms.lookup("a"), rooms.len()), (Some(owners[0].clone()), 1));
        owners[0].kill();
        settle(&node).await;
        assert!(unregister(&rooms, &owners[3], "a").await);
        register(&rooms, &owners[3], "a").await.unwrap();
        let expected = [1, 2, 4, 3].map(|place: usize| owners[place].clone());
        assert_eq!(all(&rooms, &"a".into()), expected);
        assert_eq!(rooms.lookup("a"), Some(owners[1].clone()));
    });
}

// OTP: J6
#[test]
fn a_dispatch_runs_in_its_caller_who_may_use_the_registry_meanwhile() {
    seeds(async |node| {
        let rooms = Rooms::duplicate(&node);
        let owners: Vec<_> = (0..3).map(|_| puppet(&node)).collect();
        for owner in &owners[1..] {
            register(&rooms, owner, "a").await.unwrap();
        }
        let seen = rooms.clone();
        let visited = ask(&owners[0], move |cx| {
            let mut visited = Vec::new();
            let count = seen.dispatch("a", |owner| {
                visited.push(owner.pid().unwrap());
                // It joins in the middle, and is not among those who were there.
                let _taken = seen.register(cx, "a".into());
            });
            (count, visited)
        });
        let pids: Vec<Pid> = owners.iter().map(|owner| owner.pid().unwrap()).collect();
        assert_eq!(visited.await, (2, pids[1..].to_vec()));
        assert_eq!(all(&rooms, &"a".into()), [1, 2, 0].map(|place: usize| owners[place].clone()));
    });
}

// OTP: J8
#[test]
fn owners_forget_a_registry_that_nobody_can_use_any_more() {
    seeds(async |node| {
        let (rooms, kept) = (Rooms::unique(&node), Rooms::duplicate(&node));
        let one = puppet(&node);
        register(&rooms, &one, "a").await.unwrap();
        register(&kept, &one, "a").await.unwrap();
        settle(&node).await;
        assert_eq!(one.ties().keys, 2);
        drop(rooms);
        assert_eq!((one.ties().keys, kept.lookup("a")), (1, Some(one.clone())));
    });
}

/// A key of which all hashes are equal, and whose comparison does what the test wants.
#[derive(Clone)]
struct Odd {
    number: u32,
    compared: Arc<dyn Fn() + Send + Sync>,
}

impl Odd {
    fn new(number: u32) -> Self {
        Self { number, compared: Arc::new(|| {}) }
    }
}

impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        7_u8.hash(state);
    }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        (self.compared)();
        (other.compared)();
        self.number == other.number
    }
}

impl Eq for Odd {}

#[test]
fn keys_with_one_hash_are_told_apart() {
    seeds(async |node| {
        let odd = Registry::<Odd, Order>::unique(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        for (owner, numbers) in [(&one, 0..10), (&two, 10..20)] {
            let odd = odd.clone();
            ask(owner, move |cx| numbers.clone().for_each(|number| odd.register(cx, Odd::new(number)).unwrap())).await;
        }
        let claims = odd.clone();
        assert_eq!(ask(&two, move |cx| claims.register(cx, Odd::new(5))).await, taken(&one));
        assert_eq!((odd.owner(&Odd::new(9)), odd.owner(&Odd::new(10))), (one.pid(), two.pid()));
        assert_eq!(odd.owner(&Odd::new(20)), None);
        let gives = odd.clone();
        assert!(ask(&two, move |cx| gives.unregister(cx, &Odd::new(15))).await);
        one.kill();
        settle(&node).await;
        let left: Vec<u32> = odd.keys().iter().map(|key| key.number).collect();
        assert_eq!(left, (10..20).filter(|number| *number != 15).collect::<Vec<_>>());
    });
}

#[test]
fn a_comparison_may_panic_and_ends_nobody_but_who_compares() {
    seeds(async |node| {
        let odd = Registry::<Odd, Order>::unique(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        let registers = odd.clone();
        ask(&one, move |cx| registers.register(cx, Odd::new(1))).await.unwrap();
        let claims = odd.clone();
        two.cast(Order::Do(Arc::new(move |cx| {
            let bad = Odd { number: 1, compared: Arc::new(|| panic!("no comparison")) };
            let _taken = claims.register(cx, bad);
        })));
        assert!(matches!(ended(&node, &two).await, ExitReason::Panic(_)));
        assert_eq!((odd.owner(&Odd::new(1)), odd.len()), (one.pid(), 1));
        let more = odd.clone();
        ask(&one, move |cx| more.register(cx, Odd::new(2))).await.unwrap();
    });
}

/// A table that held a lock while keys are compared would not come back from this.
#[test]
fn a_comparison_may_use_the_registry_and_what_it_writes_is_compared_too() {
    Sim::seed(1).run(async |node: Node| {
        let odd = Registry::<Odd, Order>::unique(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        let registers = odd.clone();
        ask(&one, move |cx| registers.register(cx, Odd::new(1))).await.unwrap();
        // While `two` compares, the rival takes the very key that it wants.
        let rival = Arc::new(Mutex::new(None));
        let hand_out = Arc::clone(&rival);
        let third = node.spawn(async move |cx: Context<Order>| {
            *hand_out.lock() = Some(cx);
            std::future::pending().await
        });
        settle(&node).await;
        let (used, once) = (odd.clone(), Arc::new(OnceLock::new()));
        let first = Arc::clone(&once);
        let compared = Arc::new(move || {
            if first.set(()).is_ok() {
                assert!(used.owner(&Odd::new(1)).is_some());
                let rival = rival.lock().take().unwrap();
                assert!(used.register(&rival, Odd::new(2)).is_ok());
            }
        });
        let claims = odd.clone();
        let came_to =
            ask(&two, move |cx| claims.register(cx, Odd { number: 2, compared: Arc::clone(&compared) as Arc<_> }));
        assert_eq!(came_to.await, taken(&third), "the other one was first");
        assert!(once.get().is_some());
        assert_eq!((odd.owner(&Odd::new(2)), odd.len()), (third.pid(), 2));
    });
}

/// A message of a listener.
enum News {
    Room(RegistryEvent<String>),
    Stop,
}

impl From<RegistryEvent<String>> for News {
    fn from(event: RegistryEvent<String>) -> Self {
        News::Room(event)
    }
}

/// A listener that notes who did what with which key.
fn listener(node: &Node, heard: &Journal<(Pid, String)>) -> Addr<News> {
    let heard = heard.clone();
    node.spawn(async move |mut cx: Context<News>| {
        while let News::Room(event) = cx.recv_message().await {
            heard.note(match event {
                RegistryEvent::Registered { key, owner } => (owner, format!("+{key}")),
                RegistryEvent::Unregistered { key, owner } => (owner, format!("-{key}")),
                other => panic!("a new kind of event: {other:?}"),
            });
        }
        Ok(())
    })
}

/// Registers and gives back a few keys, and leaves the last one to its end.
async fn busy(rooms: &Rooms, cx: &Context<Order>, name: usize) {
    for round in 0..3 {
        rooms.register(cx, format!("{name}.{round}")).unwrap();
        step_aside().await;
        let _taken = rooms.register(cx, "of all".to_owned());
        step_aside().await;
        if round < 2 {
            rooms.unregister(cx, &format!("{name}.{round}"));
        }
    }
}

/// Three processes that use one registry, and what two listeners hear of each of them.
async fn news(node: &Node, rooms: &Rooms) -> [Vec<(Pid, String)>; 2] {
    let heard = [Journal::new(), Journal::new()];
    let listeners = [listener(node, &heard[0]), listener(node, &heard[1])];
    for listener in &listeners {
        assert!(rooms.listen(&listener.recipient()));
        assert!(!rooms.listen(&listener.recipient()), "it listens already");
    }
    let owners: Vec<Addr<Order>> = (0..3)
        .map(|name| {
            let rooms = rooms.clone();
            node.spawn(async move |cx: Context<Order>| {
                busy(&rooms, &cx, name).await;
                Ok(())
            })
        })
        .collect();
    for owner in &owners {
        assert!(matches!(owner.closed().await, ExitReason::Normal));
    }
    for listener in &listeners {
        assert!(rooms.unlisten(&listener.recipient()));
        assert!(!rooms.unlisten(&listener.recipient()));
        listener.cast(News::Stop);
        listener.closed().await;
    }
    assert!(rooms.is_empty());
    heard.map(|heard| heard.take())
}

/// What an owner did, as its listeners are to hear it; the key that all of them want aside.
fn own_news(heard: &[(Pid, String)]) -> Vec<Vec<&str>> {
    let mut owners: Vec<Pid> = heard.iter().map(|(owner, _)| *owner).collect();
    owners.sort();
    owners.dedup();
    let of = |owner: Pid| heard.iter().filter(move |(who, what)| *who == owner && !what.contains("of all"));
    let mut news: Vec<Vec<&str>> =
        owners.into_iter().map(|owner| of(owner).map(|(_, what)| what.as_str()).collect()).collect();
    news.sort();
    news
}

const OWN_NEWS: [[&str; 5]; 3] = [
    ["+0.0", "-0.0", "+0.1", "-0.1", "+0.2"],
    ["+1.0", "-1.0", "+1.1", "-1.1", "+1.2"],
    ["+2.0", "-2.0", "+2.1", "-2.1", "+2.2"],
];

// OTP: J9, D1
#[test]
fn listeners_hear_of_registrations_in_each_owners_order_and_not_of_deaths() {
    seeds(async |node| {
        for rooms in [Rooms::unique(&node), Rooms::duplicate(&node)] {
            let [first, second] = news(&node, &rooms).await;
            assert_eq!(own_news(&first), OWN_NEWS);
            // In a simulation one process registers at a time, so all hear the same.
            assert_eq!(first, second);
            let of_all = first.iter().filter(|(_, what)| what == "+of all").count();
            assert!(of_all <= 3 && of_all > 0, "{of_all}");
        }
    });
    threads(async |node| {
        for _ in 0..50 {
            for heard in news(&node, &Rooms::unique(&node)).await {
                assert_eq!(own_news(&heard), OWN_NEWS);
            }
        }
    });
}

#[test]
fn the_order_of_notices_and_keys_depends_on_the_seed_alone() {
    async fn run(node: Node) -> (Vec<(Pid, String)>, Vec<String>) {
        let rooms = Rooms::duplicate(&node);
        let [heard, _] = news(&node, &rooms).await;
        let one = puppet(&node);
        for key in ["z", "b", "y", "a", "m"] {
            register(&rooms, &one, key).await.unwrap();
        }
        (heard, rooms.keys())
    }
    let mut different = 0;
    for seed in 0..16 {
        let (first, second) = (Sim::seed(seed).run_digest(run), Sim::seed(seed).run_digest(run));
        assert_eq!(first, second);
        assert_eq!(first.0.1, ["z", "b", "y", "a", "m"], "as they came to be, whatever their hashes are");
        different += usize::from(first.0.0 != Sim::seed(seed + 1).run(run).0);
    }
    assert!(different > 0, "the seed has a say");
}

#[test]
fn a_listener_that_is_full_or_dead_or_panics_is_no_business_of_the_owners() {
    struct Fragile;
    impl From<RegistryEvent<String>> for Fragile {
        fn from(_: RegistryEvent<String>) -> Self {
            panic!("no conversion");
        }
    }
    seeds(async |node| {
        let (rooms, one) = (Rooms::unique(&node), puppet(&node));
        let deaf = async |_cx: Context<RegistryEvent<String>>| std::future::pending().await;
        let full = node.spawn_with(Policy::bounded(2).reject(), deaf).unwrap();
        let dead = mortal_listener(&node);
        let heard = Journal::new();
        let fragile = node.spawn(async |mut cx: Context<Fragile>| {
            cx.recv_message().await;
            Ok(())
        });
        let last = listener(&node, &heard);
        let all: [Recipient<RegistryEvent<String>>; 4] =
            [full.recipient(), dead.recipient(), fragile.recipient(), last.recipient()];
        all.iter().for_each(|listener| assert!(rooms.listen(listener)));
        dead.kill();
        ended(&node, &dead).await;
        for key in ["a", "b", "c"] {
            register(&rooms, &one, key).await.unwrap();
        }
        settle(&node).await;
        let words: Vec<String> = heard.take().into_iter().map(|(_, what)| what).collect();
        assert_eq!(words, ["+a", "+b", "+c"], "they are told in their order, and the last one too");
        assert_eq!((full.depth(), full.stats().dropped(Dropped::Rejected)), (2, 1));
        assert!(!rooms.unlisten(&all[1]), "the dead one is forgotten");
        assert!([0, 2, 3].iter().all(|place: &usize| rooms.unlisten(&all[*place])));
        assert!(fragile.pid().is_some());
    });
}

fn mortal_listener(node: &Node) -> Addr<RegistryEvent<String>> {
    node.spawn(async |_cx: Context<RegistryEvent<String>>| std::future::pending().await)
}

/// Not even the process itself is asked when somebody looks it up.
// OTP: J2, J14
#[test]
fn a_look_up_does_not_wait_for_a_busy_owner() {
    seeds(async |node| {
        let rooms = Rooms::unique(&node);
        let one = puppet(&node);
        register(&rooms, &one, "a").await.unwrap();
        let seen = rooms.clone();
        // The owner looks itself up in the middle of its work, and others see it meanwhile.
        let found = ask(&one, move |cx| seen.owner("a") == Some(cx.pid())).await;
        assert!(found);
        let seen = rooms.clone();
        let from_inside = inside(&node, async move |_cx: Context<()>| seen.lookup("a")).await;
        assert_eq!(from_inside, Some(one));
        let (idle, gone) = (idler(&node), mortal(&node));
        assert_eq!((idle.ties().keys, gone.ties().keys), (0, 0));
    });
}
