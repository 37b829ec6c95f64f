//! What a parser has to tell, and what can go wrong.

/// Numbers of errors, as in expat.
pub mod code {
    pub const SYNTAX: u32 = 2;
    pub const NO_ELEMENTS: u32 = 3;
    pub const INVALID_TOKEN: u32 = 4;
    pub const UNCLOSED_TOKEN: u32 = 5;
    pub const TAG_MISMATCH: u32 = 7;
    pub const DUPLICATE_ATTRIBUTE: u32 = 8;
    pub const JUNK_AFTER_DOC_ELEMENT: u32 = 9;
    pub const PARAM_ENTITY_REF: u32 = 10;
    pub const UNDEFINED_ENTITY: u32 = 11;
    pub const RECURSIVE_ENTITY_REF: u32 = 12;
    pub const ASYNC_ENTITY: u32 = 13;
    pub const BAD_CHAR_REF: u32 = 14;
    pub const BINARY_ENTITY_REF: u32 = 15;
    pub const ATTRIBUTE_EXTERNAL_ENTITY_REF: u32 = 16;
    pub const MISPLACED_XML_PI: u32 = 17;
    pub const UNKNOWN_ENCODING: u32 = 18;
    pub const INCORRECT_ENCODING: u32 = 19;
    pub const UNCLOSED_CDATA_SECTION: u32 = 20;
    pub const EXTERNAL_ENTITY_HANDLING: u32 = 21;
    pub const NOT_STANDALONE: u32 = 22;
    pub const UNBOUND_PREFIX: u32 = 27;
    pub const UNDECLARING_PREFIX: u32 = 28;
    pub const XML_DECL: u32 = 30;
    pub const TEXT_DECL: u32 = 31;
    pub const PUBLICID: u32 = 32;
    pub const ABORTED: u32 = 35;
    pub const FINISHED: u32 = 36;
    pub const RESERVED_PREFIX_XML: u32 = 38;
    pub const RESERVED_PREFIX_XMLNS: u32 = 39;
    pub const RESERVED_NAMESPACE_URI: u32 = 40;
    pub const AMPLIFICATION: u32 = 43;
}

/// An error: its number, and how many bytes behind the beginning of the token it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: u32,
    pub at: usize,
}

pub fn fault<T>(code: u32, at: usize) -> Result<T, Fault> {
    Err(Fault { code, at })
}

/// What an element may contain.
#[derive(Clone, Debug)]
pub struct Model {
    pub kind: i64,
    pub quantity: i64,
    pub name: Option<String>,
    pub children: Vec<Model>,
}

type Text = Option<String>;

#[derive(Clone, Debug)]
pub enum Event {
    XmlDecl {
        version: Text,
        encoding: Text,
        standalone: i64,
    },
    StartDoctype {
        name: String,
        system: Text,
        public: Text,
        internal: bool,
    },
    EndDoctype,
    ElementDecl(String, Model),
    AttlistDecl {
        element: String,
        name: String,
        kind: String,
        default: Text,
        required: bool,
    },
    EntityDecl {
        name: String,
        parameter: bool,
        value: Text,
        system: Text,
        public: Text,
        notation: Text,
    },
    NotationDecl {
        name: String,
        system: Text,
        public: Text,
    },
    Start {
        name: String,
        attributes: Vec<(String, String)>,
        /// How many of them the document has.
        specified: usize,
    },
    End(String),
    Text(String),
    Instruction(String, String),
    Comment(String),
    StartCdata,
    EndCdata,
    StartNamespace(Text, Text),
    EndNamespace(Text),
    /// An entity to be read by the program; without context it is the rest of the document type.
    External {
        context: Text,
        system: Text,
        public: Text,
    },
    Skipped(String, bool),
    NotStandalone,
    /// The document begins, in an encoding that the program has to say more about.
    Encoding(String),
    /// Something that no other handler is for.
    Other,
}
