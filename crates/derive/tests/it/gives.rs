//! Tags, names and keys for every shape of variant and every type of key.

use freeboard_derive::Message;
use freeboard_mailbox::{AsKey, Key, Message, Tag, tag_named};
use freeboard_signal::{Pid, Ref};
use std::sync::Arc;

#[derive(Message)]
#[message(crate = freeboard_mailbox)]
enum Shapes {
    Unit,
    Empty(),
    Tuple(u8, #[key] u16, u8),
    Last(u8, #[key] u32),
    Named {
        before: u8,
        #[key]
        id: u64,
    },
    NoKey {
        id: u64,
    },
    #[expect(non_camel_case_types, reason = "a name that is a keyword")]
    r#type(#[key] u64),
}

#[test]
fn every_shape_of_variant_has_its_tag_and_its_key() {
    let all = [
        (Shapes::Unit, Shapes::TAG_UNIT, None),
        (Shapes::Empty(), Shapes::TAG_EMPTY, None),
        (Shapes::Tuple(1, 2, 3), Shapes::TAG_TUPLE, Some(Key::Int(2))),
        (Shapes::Last(1, 4), Shapes::TAG_LAST, Some(Key::Int(4))),
        (Shapes::Named { before: 1, id: 5 }, Shapes::TAG_NAMED, Some(Key::Int(5))),
        (Shapes::NoKey { id: 6 }, Shapes::TAG_NO_KEY, None),
        (Shapes::r#type(7), Shapes::TAG_TYPE, Some(Key::Int(7))),
    ];
    for (number, (message, tag, key)) in (0..).zip(&all) {
        assert_eq!((message.tag(), message.key()), (*tag, *key), "variant {number}");
        assert_eq!(tag.number(), number);
    }
    assert_eq!(Shapes::TAGS, ["Unit", "Empty", "Tuple", "Last", "Named", "NoKey", "r#type"]);
    const NAMED: Tag<Shapes> = tag_named("Named");
    assert_eq!(NAMED, Shapes::TAG_NAMED);
    // The fields that no key is made of.
    let rest = all.iter().map(|(message, ..)| match message {
        Shapes::Tuple(before, _, after) => before + after,
        Shapes::Last(before, _) | Shapes::Named { before, .. } => *before,
        Shapes::NoKey { id } => *id as u8,
        Shapes::Unit | Shapes::Empty() | Shapes::r#type(_) => 0,
    });
    assert_eq!(rest.sum::<u8>(), 4 + 1 + 1 + 6);
}

#[derive(Message)]
#[message(crate = freeboard_mailbox)]
enum Numbers {
    U8(#[key] u8),
    U16(#[key] u16),
    U32(#[key] u32),
    U64(#[key] u64),
    U128(#[key] u128),
}

#[derive(Message)]
#[message(crate = freeboard_mailbox)]
enum Texts {
    Owned(#[key] String),
    Constant(#[key] &'static str),
    Boxed(#[key] Box<str>),
    Shared(#[key] Arc<str>),
    Bytes(#[key] Vec<u8>),
    Fixed(#[key] [u8; 3]),
}

#[derive(Message)]
#[message(crate = freeboard_mailbox)]
enum Names {
    Of(#[key] Pid),
    For(#[key] Ref),
}

#[test]
fn every_type_of_key_is_found_by_what_it_is_asked_for() {
    let numbers = [Numbers::U8(9), Numbers::U16(9), Numbers::U32(9), Numbers::U64(9), Numbers::U128(9)];
    assert!(numbers.iter().all(|message| message.key() == Some(Key::from(9_u64))));
    assert_eq!(Numbers::U128(u128::MAX).key(), Some(Key::from(u128::MAX)));
    let texts = [
        Texts::Owned("sfu".into()),
        Texts::Constant("sfu"),
        Texts::Boxed("sfu".into()),
        Texts::Shared("sfu".into()),
        Texts::Bytes(b"sfu".to_vec()),
        Texts::Fixed(*b"sfu"),
    ];
    assert!(texts.iter().all(|message| message.key() == Some(Key::from("sfu"))));
    let (pid, reference) = (Pid::new(1, 2, 3), Ref::new(1, 4));
    assert_eq!(Names::Of(pid).key(), Some(Key::from(&pid)));
    assert_eq!(Names::For(reference).key(), Some(Key::from(&reference)));
    assert_ne!(Names::Of(pid).key(), Names::Of(Pid::new(1, 2, 4)).key());
    assert_ne!(Names::For(reference).key(), Names::For(Ref::new(1, 5)).key());
}

/// Generic, with bounds of its own and a parameter that only a key has.
#[derive(Message)]
#[message(crate = freeboard_mailbox)]
enum Cache<K: AsKey, V = u8, const N: usize = 1>
where
    V: Clone,
{
    Load {
        #[key]
        key: K,
    },
    Loaded(#[key] [u8; N], V),
}

#[test]
fn generic_messages_have_tags_and_keys_too() {
    let load: Cache<String> = Cache::Load { key: "a".into() };
    assert_eq!((load.tag(), load.key()), (Cache::TAG_LOAD, Some(Key::from("a"))));
    let loaded: Cache<u64, &str, 2> = Cache::Loaded(*b"id", "value");
    assert_eq!((loaded.tag(), loaded.key()), (Cache::<u64, &str, 2>::TAG_LOADED, Some(Key::Bytes(b"id"))));
    let Cache::Loaded(_, value) = loaded else { panic!("it is the one that was made") };
    assert_eq!(value, "value");
}

mod inner {
    //! The crate may be any path, and the constants are as visible as the enum.
    pub(super) mod mailbox {
        pub(crate) use freeboard_mailbox::*;
    }

    #[derive(freeboard_derive::Message)]
    #[message(crate = self::mailbox)]
    pub(super) enum Elsewhere {
        Ping,
    }
}

#[test]
fn the_crate_can_be_named_by_any_path() {
    assert_eq!(inner::Elsewhere::Ping.tag(), inner::Elsewhere::TAG_PING);
    assert_eq!(inner::mailbox::tag_named::<inner::Elsewhere>("Ping").number(), 0);
}
