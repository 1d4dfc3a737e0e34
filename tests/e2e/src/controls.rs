//! Control models for the tiny model of the reference data, made of its own parts.

use serde_json::{Map, Value, json};
use std::path::Path;

/// Writes a ControlNet to `path`, as one file: the encoder of tiny-sd's U-Net, and a way in and ways out that are all one
/// small number.
pub fn control_net(path: &Path) {
    let unet = crate::root().join("tests/reference/golden/tiny-sd/unet/diffusion_pytorch_model.safetensors");
    let bytes = std::fs::read(unet).expect("the model");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("a length")) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    let (mut entries, mut data) = (Map::new(), Vec::new());
    let mut put = |name: &str, shape: Value, values: &[u8]| {
        let from = data.len();
        data.extend_from_slice(values);
        entries.insert(name.into(), json!({"dtype": "F16", "shape": shape, "data_offsets": [from, data.len()]}));
    };
    for (name, entry) in &header {
        let ours = ["conv_in.", "time_embedding.", "down_blocks.", "mid_block."].iter().any(|p| name.starts_with(p));
        if ours {
            let at = |i: usize| 8 + length + entry["data_offsets"][i].as_u64().expect("an offset") as usize;
            put(name, entry["shape"].clone(), &bytes[at(0)..at(1)]);
        }
    }
    // 0.125 in half precision.
    let mut conv = |name: &str, from: usize, to: usize, side: usize| {
        let values = 0x3000u16.to_le_bytes().repeat(to * from * side * side);
        put(&format!("{name}.weight"), json!([to, from, side, side]), &values);
        put(&format!("{name}.bias"), json!([to]), &0x3000u16.to_le_bytes().repeat(to));
    };
    let widths = [3, 4, 4, 4, 4, 4, 4, 4, 32];
    let names = ["conv_in", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4", "blocks.5", "conv_out"];
    for (i, name) in names.iter().enumerate() {
        conv(&format!("controlnet_cond_embedding.{name}"), widths[i], widths[i + 1], 3);
    }
    for (i, width) in [32, 32, 32, 32, 32, 64].iter().enumerate() {
        conv(&format!("controlnet_down_blocks.{i}"), *width, *width, 1);
    }
    conv("controlnet_mid_block", 64, 64, 1);
    let header = serde_json::to_vec(&entries).expect("JSON");
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    std::fs::write(path, file).expect("the file");
}

/// Writes a depth estimator into `folder`, as transformers has it: the shapes of a golden one, and any numbers of about a tenth.
pub fn estimator(folder: &Path) {
    let models = crate::root().join("tests/reference/golden/depth-models.json");
    let models: Value = serde_json::from_slice(&std::fs::read(models).expect("the table")).expect("JSON");
    let (mut entries, mut data, mut state) = (Map::new(), Vec::new(), 1u32);
    for row in models["small"]["tensors"].as_array().expect("rows") {
        let from = data.len();
        let shape = row[1].as_array().expect("a shape").iter().map(|n| n.as_u64().expect("a side"));
        for _ in 0..shape.product() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            data.extend((((state >> 16) as u16 & 0x83ff) | 0x2c00).to_le_bytes());
        }
        let name = row[0].as_str().expect("a name").to_owned();
        if name == "head.conv3.bias" {
            // 4 in half precision: what is below 0 would be black.
            data.splice(from.., 0x4400u16.to_le_bytes());
        }
        entries.insert(name, json!({"dtype": "F16", "shape": row[1], "data_offsets": [from, data.len()]}));
    }
    let header = serde_json::to_vec(&entries).expect("JSON");
    let file = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("model.safetensors"), file).expect("the file");
    std::fs::write(folder.join("config.json"), models["small"]["config"].to_string()).expect("the configuration");
}
