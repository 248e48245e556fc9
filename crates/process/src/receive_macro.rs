//! `receive!`: several clauses in one receive, written as Erlang writes them.
//!
//! It turns each clause into a hint (where the mailbox looks), an arm of one closure (pattern and guard, by reference, while
//! the message is in the queue) and an arm of one `match` (pattern and body, by value). The bodies stand where the macro
//! stands, so `?`, `return`, `break`, `continue` and `.await` mean what they mean there.
//!
//! # Not here
//! Anything that could not be written by hand with `Context::select`; nobody needs the macro.

/// Receives the oldest message that matches any of several clauses (OTP: E2); the others stay in their places (OTP: E3).
///
/// ```
/// use freeboard_process::{Context, Key, Message, Node, Sim, Tag, receive};
/// use std::time::Duration;
///
/// enum Voice { Ack { id: u64, who: String }, Data(String), Stop }
/// # impl Message for Voice {
/// #     const TAGS: &'static [&'static str] = &["Ack", "Data", "Stop"];
/// #     fn tag(&self) -> Tag<Self> {
/// #         Tag::new(match self { Voice::Ack { .. } => 0, Voice::Data(_) => 1, Voice::Stop => 2 })
/// #     }
/// #     fn key(&self) -> Option<Key<'_>> {
/// #         match self { Voice::Ack { id, .. } => Some((*id).into()), _ => None }
/// #     }
/// # }
///
/// # Sim::seed(1).run(async |node: Node| {
/// # let (done, heard) = tokio::sync::oneshot::channel();
/// node.spawn(async |mut cx: Context<Voice>| {
///     let me = cx.addr();
///     me.cast(Voice::Data("hm".into()));
///     me.cast(Voice::Ack { id: 7, who: "sfu".into() });
///     me.cast(Voice::Data("hello".into()));
///     let (wanted, mut heard) = (7_u64, Vec::new());
///     loop {
///         let text = receive! { cx;
///             Voice::Ack { who, .. } [wanted] => who,              // the key is 7: found through the index
///             Voice::Data(text) if text.len() > 3 => text,         // the guard sees it in the queue, by reference
///             Voice::Stop => return Ok(());
///             after Duration::from_secs(1) => break
///         };
///         heard.push(text);
///     }
///     # let _ = done.send(heard);
///     Ok(())
/// });
/// # assert_eq!(heard.await.unwrap(), ["sfu", "hello"]);
/// # });
/// ```
///
/// The first argument is a [`Context`](crate::Context), or a reference to one. Then come the clauses, separated by commas:
///
/// | clause | takes |
/// |---|---|
/// | `Voice::Stop => …` | the oldest message of this variant; fields are matched as in any pattern |
/// | `Voice::Ack { who, .. } [key] => …` | one whose key, the field marked `#[key]`, is `key` |
/// | `… if guard => …` | only if the guard holds |
/// | `down(monitor) as down => …` | the [`Down`](crate::Down) of this monitor |
/// | `exit(pid) as exit => …` | the trapped [`Exit`](crate::Exit) of this process |
/// | `alias(name) as message => …` | a message that came through this [`Alias`](crate::Alias) |
///
/// and, behind a semicolon, at most one `after limit => …`, with the rules of [`Receive::after`](crate::Receive::after).
/// The oldest message that any clause takes is received; the order of the clauses only decides who has a message that
/// several would take.
///
/// Patterns and guards are tried on messages that stay in the queue if they do not match: they see what they bind by
/// reference, so a pattern can bind neither `mut` nor `ref`, and a guard compares a number as `*n > 3`. The bodies get it
/// by value. A guard must not await, and what it captures is borrowed for as long as the receive waits; keys, monitors,
/// aliases and the limit are evaluated once, before it starts. Alternatives (`A | B`) are two clauses.
///
/// A variant that does not exist is a compile error:
///
/// ```compile_fail,E0599
/// # use freeboard_process::{Context, Message, Tag, receive};
/// enum Ping { Ping }
/// # impl Message for Ping {
/// #     const TAGS: &'static [&'static str] = &["Ping"];
/// #     fn tag(&self) -> Tag<Self> { Tag::new(0) }
/// # }
/// async fn wait(mut cx: Context<Ping>) {
///     receive! { cx; Ping::Pong => () }     // OTP would wait for ever
/// }
/// ```
///
/// # Cancel safety
/// If it is dropped while it waits, nothing was received.
///
/// # Cost
/// Each clause costs what it costs alone: without guard O(1) behind any backlog, once the queue is indexed. A guard, or a
/// pattern that looks into the fields, looks at each message of its variant (and key) once.
#[macro_export]
macro_rules! receive {
    ($cx:expr; $($clauses:tt)+) => {
        $crate::__receive!(@next [$cx] [0] [] $($clauses)+)
    };
}

/// Reads one clause after the other: `[context] [number of the next clause] [clauses so far] what is left to read`.
#[doc(hidden)]
#[macro_export]
macro_rules! __receive {
    // The end, with or without a limit.
    (@next [$cx:expr] $n:tt [$($clause:tt)+] $(,)? $(;)?) => {{
        let received = ::core::option::Option::Some($crate::__receive!(@select [$cx] [$($clause)+]).await);
        $crate::__receive!(@match received [$($clause)+] ::core::unreachable!("without a limit it waits"))
    }};
    (@next [$cx:expr] $n:tt [$($clause:tt)+] $(,)? ; after $limit:expr => $late:expr $(,)? $(;)?) => {{
        let limit = $limit;
        let received = $crate::__receive!(@select [$cx] [$($clause)+]).after(limit).await;
        $crate::__receive!(@match received [$($clause)+] $late)
    }};

    // A notice.
    (@next $cx:tt $n:tt $clauses:tt $(,)? down($monitor:expr) as $name:pat => $($rest:tt)+) => {
        $crate::__receive!(@body $cx $n $clauses [$crate::Hint::Down($monitor)] [$crate::Event::Down(notice)] []
            [[] [let $name = *notice;]] $($rest)+)
    };
    (@next $cx:tt $n:tt $clauses:tt $(,)? exit($from:expr) as $name:pat => $($rest:tt)+) => {
        $crate::__receive!(@body $cx $n $clauses [$crate::Hint::Exit($from)] [$crate::Event::Exit(notice)] []
            [[] [let $name = *notice;]] $($rest)+)
    };

    // What came through an alias, whatever it is.
    (@next $cx:tt $n:tt $clauses:tt $(,)? alias($alias:expr) as $name:pat => $($rest:tt)+) => {
        $crate::__receive!(@body $cx $n $clauses [$crate::Hint::Alias($alias)] [$crate::Event::Message(message)] []
            [[] [let $name = message;]] $($rest)+)
    };

    // A message. What a pattern with a guard binds may be for the guard alone.
    (@next $cx:tt $n:tt $clauses:tt $(,)? $($path:ident)::+ $({ $($named:tt)* })? $(( $($placed:tt)* ))?
        $([$key:expr])? => $($rest:tt)+
    ) => {
        $crate::__receive!(@body $cx $n $clauses
            [$crate::__receive!(@hint [$($path)+] $($key)?)]
            [$crate::Event::Message($($path)::+ $({ $($named)* })? $(( $($placed)* ))?)]
            [] [[] []] $($rest)+)
    };
    (@next $cx:tt $n:tt $clauses:tt $(,)? $($path:ident)::+ $({ $($named:tt)* })? $(( $($placed:tt)* ))?
        $([$key:expr])? if $guard:expr => $($rest:tt)+
    ) => {
        $crate::__receive!(@body $cx $n $clauses
            [$crate::__receive!(@hint [$($path)+] $($key)?)]
            [$crate::Event::Message($($path)::+ $({ $($named)* })? $(( $($placed)* ))?)]
            [$guard] [[#[allow(unused_variables, reason = "bound for the guard")]] []] $($rest)+)
    };

    // Its body: a block, which may end without a comma, or an expression.
    (@body $cx:tt [$($n:tt)+] [$($clause:tt)*] $hint:tt $pattern:tt $guard:tt $arm:tt $body:block $($rest:tt)*) => {
        $crate::__receive!(@next $cx [$($n)+ + 1] [$($clause)* { [$($n)+] $hint $pattern $guard $arm [$body] }] $($rest)*)
    };
    (@body $cx:tt [$($n:tt)+] [$($clause:tt)*] $hint:tt $pattern:tt $guard:tt $arm:tt $body:expr) => {
        $crate::__receive!(@next $cx [$($n)+ + 1] [$($clause)* { [$($n)+] $hint $pattern $guard $arm [$body] }])
    };
    (@body $cx:tt [$($n:tt)+] [$($clause:tt)*] $hint:tt $pattern:tt $guard:tt $arm:tt $body:expr, $($rest:tt)*) => {
        $crate::__receive!(@next $cx [$($n)+ + 1] [$($clause)* { [$($n)+] $hint $pattern $guard $arm [$body] }] $($rest)*)
    };
    (@body $cx:tt [$($n:tt)+] [$($clause:tt)*] $hint:tt $pattern:tt $guard:tt $arm:tt $body:expr; $($rest:tt)*) => {
        $crate::__receive!(@next $cx [$($n)+ + 1] [$($clause)* { [$($n)+] $hint $pattern $guard $arm [$body] }] ; $($rest)*)
    };

    (@hint [$variant:ident]) => {
        $crate::Hint::Tag(const { $crate::tag_named::<_>(::core::stringify!($variant)) })
    };
    (@hint [$variant:ident] $key:expr) => {
        $crate::Hint::Key(const { $crate::tag_named::<_>(::core::stringify!($variant)) }, $crate::AsKey::as_key(&$key))
    };
    (@hint [$before:ident $($path:ident)+] $($key:expr)?) => {
        $crate::__receive!(@hint [$($path)+] $($key)?)
    };

    (@select [$cx:expr] [$({ [$($n:tt)+] [$hint:expr] [$pattern:pat] [$($guard:expr)?] $arm:tt $body:tt })+]) => {
        $cx.select(
            [$($hint),+],
            #[allow(unused_variables, reason = "what a pattern binds may be for the body alone")]
            |clause: usize, event: &$crate::Event<_>| match (clause, event) {
                $((number, $pattern) if number == $($n)+ $(&& $guard)? => true,)+
                _ => false,
            },
        )
    };

    (@match $received:ident
        [$({ [$($n:tt)+] $hint:tt [$pattern:pat] $guard:tt [[$($allow:tt)*] [$($open:tt)*]] [$body:expr] })+] $late:expr
    ) => {
        match $received {
            $(
                $($allow)*
                ::core::option::Option::Some((number, $pattern)) if number == $($n)+ => {
                    $($open)*
                    $body
                }
            )+
            ::core::option::Option::Some(_) => ::core::unreachable!("a clause has accepted it"),
            ::core::option::Option::None => $late,
        }
    };
}
