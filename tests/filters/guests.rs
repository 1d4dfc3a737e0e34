//! Filters written instruction by instruction, honest ones and others: what a fixture does is the code below, no
//! compiler in between.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, MemorySection, MemoryType, Module,
    StartSection, TableSection, TableType, TypeSection, ValType,
};

/// Where a guest keeps what it returns, as the canonical ABI lays it out.
pub const DESCRIPTOR: u32 = 1024;
pub const SAMPLES: u32 = 1090;
pub const PLAN: u32 = 1100;
pub const PASSES: u32 = 1152;
pub const RESULT: u32 = 1200;
/// "speak", a title and a message.
pub const TEXT: u32 = 1300;

/// Index of the imported `log`, and of the guest's own `process`.
pub const LOG: u32 = 0;
pub const PROCESS: u32 = 4;

/// Parameters of `process` and `survey`: how many, the pixels, and a local of their own.
pub const TILE: usize = 14;
pub const PIXELS: u32 = 10;
pub const LEN: u32 = 11;
pub const LOCAL: u32 = 14;

/// Cases of the contract's `pass`.
pub const TILES: u8 = 1;
pub const WHOLE_PICTURE: u8 = 2;
pub const SURVEY: u8 = 3;

type Code = Box<dyn Fn(&mut InstructionSink<'_>)>;

/// A filter as a core module. `Guest::new` is honest: it returns every tile as it came.
pub struct Guest {
    pub manifest: Vec<String>,
    pub import: (&'static str, &'static str),
    /// What the import takes and returns.
    pub import_type: (&'static [ValType], &'static [ValType]),
    pub memory: MemoryType,
    pub table: Option<TableType>,
    /// What runs when an instance is made.
    pub start: Option<Code>,
    pub describe_returns: ValType,
    pub describe: Code,
    pub prepare: Code,
    pub process: Code,
    pub survey: Code,
    pub learn: Code,
    /// Size of the result.
    pub size: (u32, u32),
    /// The case of each pass, and its halo.
    pub passes: Vec<(u8, u32)>,
    /// Sample types: `uint8` 0, `uint16` 1, `float32` 2.
    pub samples: Vec<u8>,
    /// `srgb` 0, `linear` 1.
    pub encoding: u8,
    pub message: &'static str,
    /// Pointer and length of the parameter list.
    pub params: (u32, u32),
    pub extra: Vec<u8>,
}

impl Guest {
    pub fn new(name: &str) -> Self {
        Self {
            manifest: vec![format!(
                r#"{{"api":"1.0.0","name":"{name}","version":"1.0.0","license":"MIT","timeout_ms":200,"memory_bytes":16777216}}"#
            )],
            import: ("underpaint:filter/host@1.0.0", "log"),
            import_type: (&[ValType::I32; 3], &[]),
            memory: MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None },
            table: None,
            start: None,
            describe_returns: ValType::I32,
            describe: Box::new(|code| _ = code.i32_const(DESCRIPTOR as i32)),
            prepare: Box::new(|code| _ = code.i32_const(PLAN as i32)),
            process: Box::new(return_pixels),
            survey: Box::new(|code| _ = code.i32_const(RESULT as i32)),
            learn: Box::new(|code| _ = code.i32_const(RESULT as i32)),
            size: (24, 16),
            passes: vec![(TILES, 0)],
            samples: vec![2],
            encoding: 0,
            message: "speak",
            params: (0, 0),
            extra: Vec::new(),
        }
    }

    /// With another `process`.
    pub fn process(name: &str, code: impl Fn(&mut InstructionSink<'_>) + 'static) -> Self {
        Self { process: Box::new(code), ..Self::new(name) }
    }

    pub fn wasm(&self) -> Vec<u8> {
        use ValType::{F32, I32, I64};
        let mut types = TypeSection::new();
        types.ty().function(self.import_type.0.iter().copied(), self.import_type.1.iter().copied());
        types.ty().function([I32; 4], [I32]);
        types.ty().function([], [self.describe_returns]);
        types.ty().function([I32, I32, I32, I32, I32, F32, I64, I32, I32], [I32]);
        types.ty().function([I32; TILE], [I32]);
        types.ty().function([I32; TILE], [I32]);
        types.ty().function([I32; 3], [I32]);
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(self.import.0, self.import.1, EntityType::Function(0));
        let mut functions = FunctionSection::new();
        (1..=6).chain(self.start.iter().map(|_| 7)).for_each(|ty| _ = functions.function(ty));
        let mut tables = TableSection::new();
        self.table.iter().for_each(|table| _ = tables.table(*table));
        let mut memories = MemorySection::new();
        memories.memory(self.memory);
        let mut globals = GlobalSection::new();
        globals.global(GlobalType { val_type: I32, mutable: true, shared: false }, &ConstExpr::i32_const(65536));
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("cabi_realloc", ExportKind::Func, 1);
        for (index, function) in (2..).zip(["describe", "prepare", "process", "survey", "learn"]) {
            exports.export(&format!("underpaint:filter/filter@1.0.0#{function}"), ExportKind::Func, index);
        }
        let mut code = CodeSection::new();
        let allocate: Code = Box::new(allocate);
        let bodies = [&allocate, &self.describe, &self.prepare, &self.process, &self.survey, &self.learn];
        for body in bodies.into_iter().chain(&self.start) {
            let mut function = Function::new([(1, I32)]);
            body(&mut function.instructions());
            function.instructions().end();
            code.function(&function);
        }
        let mut data = DataSection::new();
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let text = [TEXT, self.message.len() as u32];
        let mut at = |start: u32, bytes: Vec<u8>| _ = data.active(0, &ConstExpr::i32_const(start as i32), bytes);
        let samples = [SAMPLES, self.samples.len() as u32, self.encoding.into()];
        let described = [text[0], text[1], text[0], text[1], self.params.0, self.params.1, 0, 0];
        at(DESCRIPTOR, words(&[described.as_slice(), &samples].concat()));
        at(SAMPLES, self.samples.clone());
        at(PLAN, words(&[0, self.size.0, self.size.1, PASSES, self.passes.len() as u32]));
        at(PASSES, self.passes.iter().flat_map(|&(case, halo)| words(&[case.into(), halo])).collect());
        data.active(0, &ConstExpr::i32_const(TEXT as i32), self.message.bytes());
        data.active(0, &ConstExpr::i32_const(TEXT as i32 + 200), self.extra.iter().copied());
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables)
            .section(&memories)
            .section(&globals)
            .section(&exports);
        if self.start.is_some() {
            module.section(&StartSection { function_index: 7 });
        }
        module.section(&code).section(&data);
        for manifest in &self.manifest {
            module.section(&CustomSection { name: "underpaint:filter".into(), data: manifest.as_bytes().into() });
        }
        module.finish()
    }
}

/// Ends `process` with the list `(PIXELS, LEN)`, of the type it came in, as its result.
pub fn return_pixels(code: &mut InstructionSink<'_>) {
    let at = |offset| wasm_encoder::MemArg { offset, align: 2, memory_index: 0 };
    code.i32_const(RESULT as i32).i32_const(0).i32_store(at(0));
    code.i32_const(RESULT as i32).local_get(PIXELS - 1).i32_store(at(4));
    code.i32_const(RESULT as i32).local_get(PIXELS).i32_store(at(8));
    code.i32_const(RESULT as i32).local_get(LEN).i32_store(at(12));
    code.i32_const(RESULT as i32);
}

/// `cabi_realloc(old, old_len, align, len)`: takes the next 16-aligned bytes, frees nothing.
fn allocate(code: &mut InstructionSink<'_>) {
    let (len, start) = (3, 4);
    code.global_get(0).i32_const(15).i32_add().i32_const(-16).i32_and().local_tee(start);
    code.local_get(len).i32_add().global_set(0);
    code.global_get(0).i32_const(16).i32_shr_u().memory_size(0).i32_sub().i32_const(1).i32_add().local_tee(len);
    code.i32_const(0).i32_gt_s().if_(wasm_encoder::BlockType::Empty).local_get(len).memory_grow(0).drop().end();
    code.local_get(start);
}
