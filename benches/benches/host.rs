//! Every scenario under criterion: `cargo bench --package proxywasm-benches`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    for scenario in proxywasm_benches::all() {
        let mut group = criterion.benchmark_group(scenario.name);
        group.throughput(Throughput::Elements(u64::from(scenario.per_run)));
        let mut body = (scenario.setup)();
        group.bench_function("run", |bencher| bencher.iter(&mut body));
        group.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
