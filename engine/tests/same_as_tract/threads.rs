//! How many threads run a network changes no bit of what it answers.

use aecsad_engine::Team;

use super::*;

fn assert_same_bits(name: &str, model: &pb::ModelProto, rng: &mut Rng) {
    let mut network = load(name, model);
    let arrays = arrays(&network, rng);
    let inputs: Vec<_> = arrays
        .iter()
        .map(|(shape, values)| (&shape[..], &values[..]))
        .collect();
    let answers = [1, 2, 3].map(|threads| {
        let _team = Team::start(threads, || ()).unwrap();
        network.run(&inputs).unwrap();
        let mut bits = Vec::new();
        for index in 0..network.outputs() {
            let length = network.output_shape(index).iter().product();
            let values = network.output(index, length).unwrap();
            bits.extend(values.iter().map(|value| value.to_bits()));
        }
        bits
    });
    let [alone, others @ ..] = &answers;
    for other in others {
        assert!(alone == other, "{name}");
    }
}

#[test]
fn the_encoder_by_one_two_and_three() {
    assert_same_bits("encoder", &encoder(), &mut Rng::with_seed(1));
}

#[test]
fn random_networks_by_one_two_and_three() {
    for seed in 0..120 {
        let mut rng = Rng::with_seed(seed);
        let model = Sketch::draw(&mut rng);
        assert_same_bits(&format!("network {seed}"), &model, &mut rng);
        let model = Sketch::draw_quantised(&mut rng);
        assert_same_bits(&format!("quantised network {seed}"), &model, &mut rng);
    }
}
